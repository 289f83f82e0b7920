"""Completion: of prompts' arguments, of templates' variables, and of ids among the caller's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Literal

import pytest

from dragoman.agents import Catalog, prompt, resource
from dragoman.engine import RunRequest
from dragoman.mcp.ids import Ids
from dragoman.memory.model import Principal

Start = Callable[..., AbstractAsyncContextManager[Any]]
CALLER = Principal("acme", "ada")
STRANGER = Principal("else", "eve")


async def _cities(typed: str, chosen: Mapping[str, str]) -> list[str]:
    cities = {"France": ["Paris", "Pau"], "Japan": ["Kyoto"]}.get(chosen.get("country", ""), [])
    return [city for city in cities if city.startswith(typed)]


@prompt(complete={"country": ["France", "Finland", "Japan"], "city": _cities})
async def travel(country: str, city: str, pace: Literal["slow", "fast"] = "slow", note: str = "") -> str:
    return f"{city}, {country}, {pace}{note}"


@prompt(complete={"number": [str(number) for number in range(250)]}, scopes=["desk"])
async def numbers(number: str) -> str:
    return number


@resource("notes://{book}/{page}", complete={"book": ["red", "blue"]})
async def note(book: str, page: str) -> str:
    return f"{book} {page}"


async def _values(
    client: Any, ref: Mapping[str, Any], name: str, value: str, chosen: Mapping[str, str] | None = None, **how: Any
) -> dict[str, Any]:
    params: dict[str, Any] = {"ref": ref, "argument": {"name": name, "value": value}}
    if chosen is not None:
        params["context"] = {"arguments": chosen}
    response = await (client.older if how.pop("older", False) else client.modern)("completion/complete", params, **how)
    assert "result" in response, response
    completion: dict[str, Any] = response["result"]["completion"]
    return completion


TRAVEL = {"type": "ref/prompt", "name": "travel"}


@pytest.mark.requirement("completion.declared")
@pytest.mark.anyio
async def test_a_fixed_choice_is_completed_by_what_it_begins_with(in_process: Start, schemas: Any) -> None:
    async with in_process(catalog=Catalog(travel)) as client:
        found = await _values(client, TRAVEL, "country", "f")
        older = await _values(client, TRAVEL, "country", "", older=True, version="2024-11-05")
        typed = await _values(client, TRAVEL, "pace", "s")
        free = await _values(client, TRAVEL, "note", "x")
        whole = await client.modern(
            "completion/complete", {"ref": TRAVEL, "argument": {"name": "country", "value": "J"}}
        )
        capabilities = (await client.modern("server/discover"))["result"]["capabilities"]
    assert found == {"values": ["France", "Finland"], "total": 2, "hasMore": False}
    assert older["values"] == ["France", "Finland", "Japan"]
    assert typed["values"] == ["slow"]
    assert free == {"values": [], "total": 0, "hasMore": False}
    assert capabilities["completions"] == {}
    schemas.modern("CompleteResult", whole["result"])


@pytest.mark.anyio
async def test_a_function_completes_by_what_was_chosen_already_where_the_version_tells_it(in_process: Start) -> None:
    async with in_process(catalog=Catalog(travel)) as client:
        france = await _values(client, TRAVEL, "city", "P", {"country": "France"})
        older = await _values(client, TRAVEL, "city", "P", {"country": "France"}, older=True)
        before = await _values(client, TRAVEL, "city", "P", {"country": "France"}, older=True, version="2025-03-26")
    assert france["values"] == older["values"] == ["Paris", "Pau"]
    assert before["values"] == []


@pytest.mark.requirement("completion.access")
@pytest.mark.anyio
async def test_at_most_a_hundred_values_come_and_it_is_said_that_there_are_more(in_process: Start) -> None:
    async with in_process(catalog=Catalog(numbers)) as client:
        found = await _values(client, {"type": "ref/prompt", "name": "numbers"}, "number", "")
        refused = await client.modern(
            "completion/complete",
            {"ref": {"type": "ref/prompt", "name": "numbers"}, "argument": {"name": "number", "value": ""}},
            principal=Principal("acme", "bob", frozenset()),
        )
    assert len(found["values"]) == 100
    assert (found["total"], found["hasMore"]) == (250, True)
    assert "desk" in refused["error"]["message"]


@pytest.mark.anyio
async def test_variables_of_a_template_are_completed(in_process: Start) -> None:
    async with in_process(catalog=Catalog(note)) as client:
        ref = {"type": "ref/resource", "uri": "notes://{book}/{page}"}
        assert (await _values(client, ref, "book", "r"))["values"] == ["red"]
        assert (await _values(client, ref, "page", "1"))["values"] == []


@pytest.mark.requirement("completion.validate")
@pytest.mark.anyio
@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({"ref": {"type": "ref/prompt", "name": "nope"}, "argument": {"name": "x", "value": ""}}, "nope"),
        ({"ref": {"type": "ref/resource", "uri": "no://{x}"}, "argument": {"name": "x", "value": ""}}, "no://{x}"),
        ({"ref": {"type": "ref/tool", "name": "x"}, "argument": {"name": "x", "value": ""}}, "ref.type"),
        ({"ref": {"type": "ref/prompt"}, "argument": {"name": "x", "value": ""}}, "ref.name"),
        ({"ref": TRAVEL, "argument": {"name": "planet", "value": ""}}, "planet"),
        ({"ref": TRAVEL, "argument": {"name": "city"}}, "argument"),
        ({"ref": TRAVEL}, "argument"),
        ({"argument": {"name": "x", "value": ""}}, "ref.type"),
        (
            {"ref": TRAVEL, "argument": {"name": "city", "value": ""}, "context": {"arguments": {"country": 1}}},
            "context.arguments",
        ),
    ],
)
async def test_what_cannot_be_completed_is_an_invalid_parameter(
    in_process: Start, params: dict[str, Any], named: str
) -> None:
    async with in_process(catalog=Catalog(travel)) as client:
        response = await client.modern("completion/complete", params)
    assert response["error"]["code"] == -32602
    assert named in response["error"]["message"]


# -- ids ---------------------------------------------------------------------------------------------------------------
ARTIFACT = {"type": "ref/resource", "uri": "dragoman://runs/{run_id}/artifacts/{artifact_id}"}


@pytest.mark.requirement("completion.access", "completion.disclosure")
@pytest.mark.anyio
async def test_ids_are_those_of_the_callers_tenant(in_process: Start) -> None:
    async with in_process() as client:
        run = await client.engine.run(CALLER, RunRequest(agent="report", input={}))
        other = await client.engine.run(CALLER, RunRequest(agent="echo", input={"text": "x"}))
        artifacts = [a.id for a in (await client.engine.view(CALLER, run.id)).artifacts]
        runs = await _values(client, ARTIFACT, "run_id", "")
        one = await _values(client, ARTIFACT, "run_id", run.id[:-1])
        made = await _values(client, ARTIFACT, "artifact_id", "", {"run_id": run.id})
        begun = await _values(client, ARTIFACT, "artifact_id", artifacts[0], {"run_id": run.id})
        of_nothing = await _values(client, ARTIFACT, "artifact_id", "")
        hidden = await _values(client, ARTIFACT, "run_id", "", principal=STRANGER)
        hidden_too = await _values(client, ARTIFACT, "artifact_id", "", {"run_id": run.id}, principal=STRANGER)
    assert runs == {"values": [other.id, run.id], "total": 2, "hasMore": False}
    assert one["values"] == [run.id]
    assert made["values"] == artifacts
    assert begun["values"] == artifacts[:1]
    assert of_nothing["values"] == hidden["values"] == hidden_too["values"] == []


@pytest.mark.anyio
async def test_threads_agents_and_paths_of_the_store_are_found_by_what_they_begin_with(in_process: Start) -> None:
    async with in_process() as client:
        ids = Ids(client.engine, client.engine.agents)
        for name in ("thread-a", "thread-b", "other"):
            await client.engine.create_thread(CALLER, name)
        for namespace, key in (
            (("users", "ada"), "tea"),
            (("users", "ada"), "taste"),
            (("users", "bob"), "x"),
            (("a/b", "c d"), "k"),
        ):
            await client.engine.put_item(CALLER, namespace, key, {"v": 1})

        async def begun(name: str, typed: str, caller: Principal = CALLER) -> list[str]:
            return (await ids.begun(caller, name, typed, {})).values

        assert await begun("thread_id", "thread-") == ["thread-b", "thread-a"]
        assert await begun("thread_id", "", STRANGER) == []
        assert await begun("agent", "re") == ["refund", "report"]
        assert await begun("path", "u") == ["users/"]
        assert await begun("path", "users/") == ["users/ada/", "users/bob/"]
        assert await begun("path", "users/ada/t") == ["users/ada/taste", "users/ada/tea"]
        assert await begun("path", "a") == ["a%2Fb/"]
        assert await begun("path", "a%2Fb/c%20d/") == ["a%2Fb/c%20d/k"]
        assert await begun("path", "", STRANGER) == []
        assert await begun("anything", "x") == []


@pytest.mark.anyio
async def test_a_long_list_is_looked_through_no_further_than_it_needs(in_process: Start) -> None:
    async with in_process() as client:
        for number in range(205):
            await client.engine.create_thread(CALLER, f"thread-{number:03}")
        ids = Ids(client.engine, client.engine.agents)
        some = await ids.begun(CALLER, "thread_id", "thread-1", {})
        many = await ids.begun(CALLER, "thread_id", "thread-", {})
        last = await ids.begun(CALLER, "thread_id", "thread-000", {})
    assert (len(some.values), some.all) == (100, True)
    assert not many.all
    assert 100 < len(many.values) < 205
    assert (last.values, last.all) == (["thread-000"], True)


@pytest.mark.requirement("completion.rate-limit")
@pytest.mark.anyio
async def test_a_caller_that_asks_too_fast_is_told_when_to_go_on_and_others_are_served(in_process: Start) -> None:
    params = {"ref": TRAVEL, "argument": {"name": "country", "value": "f"}}
    async with in_process(catalog=Catalog(travel)) as client:
        answers = [await client.modern("completion/complete", params) for _ in range(300)]
        other = await client.modern("completion/complete", params, principal=Principal("acme", "bob"))
    refused = [answer["error"] for answer in answers if "error" in answer]
    assert len(refused) > 100
    assert answers[:100] == [answer for answer in answers[:100] if "result" in answer]
    assert {error["code"] for error in refused} == {-32603}
    assert "try again in" in refused[0]["message"]
    assert "result" in other
