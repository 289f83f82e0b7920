"""The contract of assistants and their versions."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.memory.assistants import AssistantFilter, AssistantNotFound, AssistantPatch, NewAssistant
from dragoman.memory.errors import Conflict
from dragoman.memory.ledger import Ledger

from .conftest import Reopen
from .helpers import TENANT

pytestmark = pytest.mark.anyio


def new(id: str, **fields: Any) -> NewAssistant:
    known: dict[str, Any] = {"tenant": TENANT, "id": id, "agent": "refunds", "name": id}
    return NewAssistant(**{**known, **fields})


async def test_an_assistant_is_kept_as_its_first_version(ledger: Ledger, reopen: Reopen) -> None:
    made = await ledger.create_assistant(new("a", config={"tags": ["x"]}, context={"model": "m"}, metadata={"n": 1}))
    assert (made.id, made.agent, made.version, made.name, made.description) == ("a", "refunds", 1, "a", None)
    assert (made.config, made.context, made.metadata) == ({"tags": ["x"]}, {"model": "m"}, {"n": 1})
    assert made.created_at == made.updated_at
    assert await ledger.assistant(TENANT, "a") == made
    assert await (await reopen()).assistant(TENANT, "a") == made


async def test_an_id_that_is_taken_is_a_conflict_unless_what_is_there_will_do(ledger: Ledger) -> None:
    first = await ledger.create_assistant(new("a"))
    with pytest.raises(Conflict, match="'a'"):
        await ledger.create_assistant(new("a", name="other"))
    assert await ledger.create_assistant(new("a", name="other"), exist_ok=True) == first
    assert len(await ledger.assistant_versions(TENANT, "a")) == 1


async def test_an_update_makes_a_version_that_keeps_what_it_does_not_name(ledger: Ledger) -> None:
    first = await ledger.create_assistant(new("a", config={"tags": []}, context={"c": 1}, metadata={"n": 1, "m": 2}))
    second = await ledger.update_assistant(
        TENANT, "a", AssistantPatch(name="b", metadata={"n": 3, "m": None, "k": 4}, config={})
    )
    assert (second.version, second.name, second.config, second.context) == (2, "b", {}, {"c": 1})
    assert second.metadata == {"n": 3, "k": 4}
    assert second.created_at == first.created_at
    assert second.updated_at > first.updated_at
    versions = await ledger.assistant_versions(TENANT, "a")
    assert [(v.version, v.name, v.context) for v in versions] == [(2, "b", {"c": 1}), (1, "a", {"c": 1})]
    with pytest.raises(AssistantNotFound):
        await ledger.update_assistant(TENANT, "nobody", AssistantPatch(name="b"))


async def test_what_was_never_kept_is_kept_when_it_is_changed(ledger: Ledger) -> None:
    base = new("own", context={"c": 1})
    second = await ledger.update_assistant(TENANT, "own", AssistantPatch(description="mine"), base)
    assert (second.version, second.description, second.context) == (2, "mine", {"c": 1})
    assert [v.description for v in await ledger.assistant_versions(TENANT, "own")] == ["mine", None]
    third = await ledger.update_assistant(TENANT, "own", AssistantPatch(context={}), base)
    assert (third.version, third.description, third.context) == (3, "mine", {})


async def test_an_older_version_becomes_the_current_one_and_numbers_go_on(ledger: Ledger) -> None:
    await ledger.create_assistant(new("a", agent="one"))
    await ledger.update_assistant(TENANT, "a", AssistantPatch(agent="two", name="Two"))
    back = await ledger.set_latest_assistant(TENANT, "a", 1)
    assert (back.version, back.agent, back.name) == (1, "one", "a")
    assert [a.agent for a in await ledger.assistants(TENANT, AssistantFilter(agent="one"))] == ["one"]
    assert await ledger.assistants(TENANT, AssistantFilter(name="two")) == []
    assert (await ledger.update_assistant(TENANT, "a", AssistantPatch(context={"c": 1}))).version == 3
    assert [v.agent for v in await ledger.assistant_versions(TENANT, "a")] == ["one", "two", "one"]
    with pytest.raises(AssistantNotFound, match="version 9"):
        await ledger.set_latest_assistant(TENANT, "a", 9)
    with pytest.raises(AssistantNotFound):
        await ledger.set_latest_assistant(TENANT, "b", 1)


async def test_versions_are_filtered_and_paged(ledger: Ledger) -> None:
    await ledger.create_assistant(new("a", metadata={"even": False}))
    for n in range(2, 8):
        await ledger.update_assistant(TENANT, "a", AssistantPatch(metadata={"even": n % 2 == 0}))
    page = await ledger.assistant_versions(TENANT, "a", {"even": True}, 2, 1)
    assert [v.version for v in page] == [4, 2]
    with pytest.raises(AssistantNotFound):
        await ledger.assistant_versions(TENANT, "b")


async def test_assistants_are_listed_by_any_order_and_filter(ledger: Ledger) -> None:
    for name, agent, label in (("c", "x", "Zoë"), ("a", "y", "amy"), ("b", "x", "Bob")):
        await ledger.create_assistant(new(name, agent=agent, name=label, metadata={"agent": agent, "list": [1]}))
    await ledger.update_assistant(TENANT, "c", AssistantPatch(metadata={"late": True}))

    async def ids(order: Any = "created_at", **asked: Any) -> str:
        return "".join(a.id for a in await ledger.assistants(TENANT, AssistantFilter(), order, **asked))

    assert (await ids(), await ids(descending=False)) == ("bac", "cab")
    assert (await ids("updated_at"), await ids("updated_at", descending=False)) == ("cba", "abc")
    assert (await ids("name"), await ids("name", descending=False)) == ("acb", "bca")
    assert (await ids("agent"), await ids("agent", descending=False)) == ("acb", "bca")
    assert (await ids("id"), await ids("id", descending=False)) == ("cba", "abc")
    assert (await ids(limit=1, offset=1), await ids(offset=3)) == ("a", "")

    async def found(**where: Any) -> list[str]:
        chosen = AssistantFilter(**where)
        listed = [a.id for a in await ledger.assistants(TENANT, chosen, "id", descending=False)]
        assert await ledger.count_assistants(TENANT, chosen) == len(listed)
        return listed

    assert await found() == ["a", "b", "c"]
    assert await found(agent="x") == ["b", "c"]
    assert await found(name="ZOË") == ["c"]
    assert await found(name="m") == ["a"]
    assert await found(metadata={"agent": "x"}) == ["b", "c"]
    assert await found(metadata={"late": 1}) == []
    assert await found(metadata={"list": [1]}, agent="y") == ["a"]
    assert await ledger.assistants_kept(TENANT, ["a", "z"]) == {"a"}


async def test_a_deleted_assistant_is_gone_with_its_versions(ledger: Ledger) -> None:
    await ledger.create_assistant(new("a"))
    await ledger.update_assistant(TENANT, "a", AssistantPatch(name="b"))
    await ledger.delete_assistant(TENANT, "a")
    for verb in (ledger.assistant, ledger.assistant_versions, ledger.delete_assistant):
        with pytest.raises(AssistantNotFound):
            await verb(TENANT, "a")
    assert (await ledger.create_assistant(new("a"))).version == 1
    assert len(await ledger.assistant_versions(TENANT, "a")) == 1


async def test_another_tenants_assistants_are_not_there(ledger: Ledger) -> None:
    await ledger.create_assistant(new("a", name="theirs"))
    mine = await ledger.create_assistant(new("a", tenant="umbrella", name="mine"))
    await ledger.update_assistant(TENANT, "a", AssistantPatch(name="theirs too"))
    assert await ledger.assistants("umbrella") == [mine]
    assert await ledger.assistant_versions("umbrella", "a") == [mine]
    for verb in (ledger.assistant, ledger.assistant_versions, ledger.delete_assistant):
        with pytest.raises(AssistantNotFound):
            await verb("other", "a")
    with pytest.raises(AssistantNotFound):
        await ledger.set_latest_assistant("other", "a", 1)
    await ledger.delete_assistant("umbrella", "a")
    assert (await ledger.assistant(TENANT, "a")).name == "theirs too"
