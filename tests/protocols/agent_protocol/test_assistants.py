"""Assistants by ``langgraph-sdk``, unmodified, async and sync, against a real server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any
from uuid import uuid4

import httpx
import pytest
from langgraph_sdk import get_client, get_sync_client
from langgraph_sdk.errors import ConflictError, NotFoundError, UnprocessableEntityError

from dragoman.agent_protocol.configured import configured
from dragoman.engine.assistants import own_assistant_id
from dragoman.memory.assistants import Assistant

pytestmark = pytest.mark.anyio

Sdk = Any  # a LangGraphClient, whose types a strict checker cannot tell in full


@pytest.fixture
async def sdk(url: str) -> AsyncGenerator[Sdk]:
    client: Sdk = get_client(url=url, api_key=None)
    yield client
    await client.aclose()


async def test_an_assistant_is_made_changed_gone_back_to_and_deleted(sdk: Sdk) -> None:
    name = str(uuid4())
    made = await sdk.assistants.create(
        "echo",
        {"tags": ["a"], "configurable": {"k": 1}},
        context={"model": "small"},
        metadata={"team": "x"},
        assistant_id=name,
        name="First",
        description="What it does",
    )
    assert (made["assistant_id"], made["graph_id"], made["version"]) == (name, "echo", 1)
    assert (made["config"], made["context"]) == ({"tags": ["a"], "configurable": {"k": 1}}, {"model": "small"})
    assert (made["name"], made["description"], made["metadata"]) == ("First", "What it does", {"team": "x"})
    assert await sdk.assistants.get(name) == made
    second = await sdk.assistants.update(name, graph_id="refund", metadata={"more": 1}, context={}, name="Second")
    assert (second["version"], second["graph_id"], second["context"]) == (2, "refund", {})
    assert second["metadata"] == {"team": "x", "more": 1}
    assert (second["config"], second["description"]) == (made["config"], "What it does")
    assert [v["name"] for v in await sdk.assistants.get_versions(name)] == ["Second", "First"]
    assert [v["version"] for v in await sdk.assistants.get_versions(name, {"more": 1})] == [2]
    assert [v["version"] for v in await sdk.assistants.get_versions(name, limit=1, offset=1)] == [1]
    back = await sdk.assistants.set_latest(name, 1)
    assert {**back, "updated_at": made["updated_at"]} == made
    await sdk.assistants.delete(name)
    with pytest.raises(NotFoundError):
        await sdk.assistants.get(name)


async def test_making_one_again_is_refused_unless_what_is_there_will_do(sdk: Sdk) -> None:
    name = str(uuid4())
    made = await sdk.assistants.create("echo", assistant_id=name)
    assert (made["name"], made["config"], made["context"], made["metadata"]) == ("Untitled", {}, {}, {})
    with pytest.raises(ConflictError):
        await sdk.assistants.create("echo", assistant_id=name)
    assert await sdk.assistants.create("busy", assistant_id=name, if_exists="do_nothing") == made
    with pytest.raises(NotFoundError, match="nobody"):
        await sdk.assistants.create("nobody")
    with pytest.raises(NotFoundError, match="nobody"):
        await sdk.assistants.update(name, graph_id="nobody")
    with pytest.raises(UnprocessableEntityError):
        await sdk.assistants.create("echo", assistant_id="not-a-uuid")
    with pytest.raises(UnprocessableEntityError, match="configurable"):
        await sdk.assistants.create("echo", {"configurable": 1})


async def test_the_agents_own_assistants_are_listed_among_those_that_were_made(sdk: Sdk) -> None:
    names = [f"n{n:02d}" for n in range(7)]
    for name in names:
        await sdk.assistants.create("echo", name=name, metadata={"made": True})
    agents = await sdk.assistants.search(metadata={"created_by": "system"}, limit=100)
    whole = await sdk.assistants.search(limit=100)
    assert len(whole) == len(agents) + 7 == await sdk.assistants.count()
    assert [a["name"] for a in whole[:7]] == names[::-1]
    for by in ("name", "graph_id", "assistant_id", "created_at", "updated_at"):
        for direction in ("asc", "desc"):
            listed = await sdk.assistants.search(limit=100, sort_by=by, sort_order=direction)
            assert listed == sorted(whole, key=lambda a: (a[by], a["assistant_id"]), reverse=direction == "desc")
            paged: list[Any] = []
            cursor: str | None = "0"
            while cursor is not None:
                page = await sdk.assistants.search(
                    limit=3, offset=int(cursor), sort_by=by, sort_order=direction, response_format="object"
                )
                paged += page["assistants"]
                cursor = page["next"]
            assert paged == listed
    assert await sdk.assistants.count(metadata={"made": True}) == 7
    assert await sdk.assistants.count(graph_id="echo", name="N0") == 7
    assert await sdk.assistants.search(metadata={"made": True}, limit=2, offset=6) == [whole[6]]
    assert await sdk.assistants.search(offset=500) == []
    assert await sdk.assistants.search(limit=1, name="n03", select=["name"]) == [{"name": "n03"}]


async def test_an_agents_own_assistant_is_kept_when_it_is_changed_and_as_served_when_it_is_deleted(sdk: Sdk) -> None:
    own = await sdk.assistants.get("echo")
    assert own["assistant_id"] == own_assistant_id("echo")
    assert await sdk.assistants.get_versions("echo") == [own]
    assert await sdk.assistants.set_latest("echo", 1) == own
    with pytest.raises(ConflictError, match="as it is served"):
        await sdk.assistants.delete("echo")
    before = await sdk.assistants.count()
    changed = await sdk.assistants.update("echo", context={"c": 1})
    assert (changed["assistant_id"], changed["version"], changed["name"]) == (own["assistant_id"], 2, own["name"])
    assert await sdk.assistants.get("echo") == changed
    assert await sdk.assistants.count() == before
    assert [v["context"] for v in await sdk.assistants.get_versions("echo")] == [{"c": 1}, {}]
    await sdk.assistants.delete("echo")
    assert await sdk.assistants.get("echo") == own


async def test_an_agent_is_a_graph_of_one_node_without_subgraphs(sdk: Sdk) -> None:
    made = await sdk.assistants.create("refund")
    graph = await sdk.assistants.get_graph(made["assistant_id"], xray=True)
    assert [node["id"] for node in graph["nodes"]] == ["__start__", "refund", "__end__"]
    assert graph["edges"] == [
        {"source": "__start__", "target": "refund"},
        {"source": "refund", "target": "__end__"},
    ]
    assert await sdk.assistants.get_subgraphs("refund") == {}
    assert await sdk.assistants.get_subgraphs("refund", namespace="x", recurse=True) == {}
    schemas = await sdk.assistants.get_schemas(made["assistant_id"])
    assert schemas["graph_id"] == "refund"
    assert schemas["input_schema"]["required"] == ["order_id", "amount"]
    for verb in (sdk.assistants.get_graph, sdk.assistants.get_subgraphs, sdk.assistants.get_schemas):
        with pytest.raises(NotFoundError):
            await verb(str(uuid4()))


async def test_a_run_of_an_assistant_is_known_as_that(sdk: Sdk) -> None:
    made = await sdk.assistants.create("echo")
    thread = await sdk.threads.create()
    run = await sdk.runs.create(thread["thread_id"], made["assistant_id"], input={"text": "x"})
    assert run["assistant_id"] == made["assistant_id"]
    assert (await sdk.runs.join(thread["thread_id"], run["run_id"]))["output"] == "x"
    other = await sdk.runs.create(None, "echo", input={"text": "x"})
    assert other["assistant_id"] == own_assistant_id("echo")
    assert run["metadata"] == other["metadata"] == {}


async def test_an_assistants_threads_are_deleted_with_it_where_that_is_asked(sdk: Sdk, gate: Any) -> None:
    name, reached, _ = gate()
    made = await sdk.assistants.create("slow")
    kept = await sdk.runs.create(None, "slow", input={"gate": name})
    run = await sdk.runs.create(None, made["assistant_id"], input={"gate": name})
    await reached.wait()
    await sdk.assistants.delete(made["assistant_id"], delete_threads=True)
    with pytest.raises(NotFoundError):
        await sdk.threads.get(run["thread_id"])
    assert (await sdk.threads.get(kept["thread_id"]))["status"] == "busy"


async def test_another_tenants_assistant_is_not_there(sdk: Sdk, url: str) -> None:
    made = await sdk.assistants.create("echo", metadata={"mine": True})
    await sdk.assistants.update("echo", name="mine")
    other: Sdk = get_client(url=url, api_key=None, headers={"x-tenant": "umbrella"})
    async with other:
        name = made["assistant_id"]
        for asked in (
            other.assistants.get(name),
            other.assistants.update(name, name="theirs"),
            other.assistants.delete(name, delete_threads=True),
            other.assistants.get_versions(name),
            other.assistants.set_latest(name, 1),
            other.assistants.get_graph(name),
            other.runs.create(None, name, input={"text": "x"}),
        ):
            with pytest.raises(NotFoundError):
                await asked
        assert await other.assistants.search(metadata={"mine": True}) == []
        assert (await other.assistants.get("echo"))["name"] == "Echo"


async def test_the_sync_client_gets_the_same(sdk: Sdk, url: str) -> None:
    def all_of_it() -> None:
        with get_sync_client(url=url, api_key=None) as client:
            own: Any = client.assistants
            made = own.create("echo", context={"c": 1}, name="sync")
            name = made["assistant_id"]
            assert own.get(name) == made
            assert own.update(name, name="synced")["version"] == 2
            assert [v["version"] for v in own.get_versions(name)] == [2, 1]
            assert own.set_latest(name, 1)["name"] == "sync"
            assert own.search(name="sync", response_format="object")["next"] is None
            assert (own.count(name="sync"), own.get_subgraphs(name)) == (1, {})
            assert len(own.get_graph(name)["nodes"]) == 3
            assert own.get_schemas(name)["graph_id"] == "echo"
            own.delete(name)
            assert own.count(name="sync") == 0

    await asyncio.to_thread(all_of_it)


async def test_what_does_not_fit_is_refused_by_name(url: str) -> None:
    async with httpx.AsyncClient(base_url=url) as http:
        for path, body, field in (
            ("/assistants", {}, "graph_id"),
            ("/assistants", {"graph_id": "echo", "if_exists": "perhaps"}, "if_exists"),
            ("/assistants/echo/latest", {"version": "1"}, "version"),
            ("/assistants/echo/versions", {"limit": 0}, "limit"),
            ("/assistants/search", {"sort_by": "size"}, "sort_by"),
        ):
            answer = await http.post(path, json=body)
            assert answer.status_code == 422
            assert field in answer.json()["detail"]


def test_a_runs_own_configuration_lies_over_its_assistants() -> None:
    below = {"tags": ["a", "b"], "recursion_limit": 5, "configurable": {"x": 1, "y": 1}, "metadata": {"m": 1}}
    one = Assistant("acme", "a", "echo", 1, "", None, below, {"model": "small", "user": "ada"}, {}, 0, 0)
    config, context = configured(
        one, {"tags": ["b", "c"], "configurable": {"y": 2}, "recursion_limit": 9}, {"model": "large"}
    )
    assert config == {
        "tags": ["a", "b", "c"],
        "recursion_limit": 9,
        "configurable": {"x": 1, "y": 2},
        "metadata": {"m": 1},
    }
    assert context == {"model": "large", "user": "ada"}
    assert configured(one, None, None) == (below, dict(one.context))
