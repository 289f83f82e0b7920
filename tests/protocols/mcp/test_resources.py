"""Resources: what the server itself has, what people offer, how both are listed, and who may read them."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any, Protocol

import pytest

from dragoman.agents import CallContext, Catalog, Context, Icon, RequestError, agent, resource
from dragoman.memory.errors import NotFound
from dragoman.memory.model import Principal

pytestmark = pytest.mark.anyio

ADA = Principal("acme", "ada")
EVE = Principal("other", "eve")


class Client(Protocol):
    engine: Any

    async def modern(self, method: str, params: Any = None, **how: Any) -> dict[str, Any]: ...
    async def older(self, method: str, params: Any = None, **how: Any) -> dict[str, Any]: ...
    async def call(self, name: str, arguments: Any = None, **how: Any) -> dict[str, Any]: ...


class Start(Protocol):
    def __call__(self, *agents: Any, **settings: Any) -> Any: ...


class Schemas(Protocol):
    def modern(self, definition: str, value: Any) -> None: ...
    def older(self, definition: str, value: Any) -> None: ...


@agent(description="For those who audit", scopes=["audit"])
async def audit(ctx: Context, what: str) -> str:
    return what


@agent(description="For nobody over MCP")
async def internal(ctx: Context, what: str) -> str:
    return what


@resource("notes://today", size=11, mime_type="text/markdown", icons=[Icon(src="https://acme.example/note.png")])
async def today() -> str:
    """What is on today."""
    return "# all quiet"


@resource("notes://{day}/{number}")
async def note(day: str, number: int) -> dict[str, Any]:
    if number > 9:
        raise NotFound
    return {"day": day, "number": number}


@resource("notes://bytes", meta={"acme.example/kept": True})
async def some_bytes() -> bytes:
    return b"\x00\x01"


@resource("secret://plans", scopes=["plans"])
async def plans() -> str:
    return "to win"


@resource("broken://{how}")
async def broken(how: str) -> str:
    if how == "code":
        raise RequestError("not on a Sunday", code=4001)
    raise RuntimeError("the disk at /srv/notes is full")


@resource("asked://{what}")
async def asked(ctx: CallContext, what: str) -> str:
    return f"{what}: {await ctx.ask('Which one?', choices=['a', 'b'])}"


def _catalog() -> Catalog:
    return Catalog(today, note, some_bytes, plans, broken, asked)


async def _read(client: Client, uri: str, **how: Any) -> dict[str, Any]:
    answer = await client.modern("resources/read", {"uri": uri}, **how)
    (contents,) = answer["result"]["contents"]
    found: dict[str, Any] = contents
    return found


async def _json(client: Client, uri: str, **how: Any) -> Any:
    contents = await _read(client, uri, **how)
    assert (contents["uri"], contents["mimeType"]) == (uri, "application/json")
    return json.loads(contents["text"])


# -- what the server has -----------------------------------------------------------------------------------------------
async def test_a_run_is_read_with_what_it_asks_and_then_with_what_came_of_it(in_process: Start) -> None:
    client: Client
    async with in_process() as client:
        handle = await client.call("delete", {"thing": "the file"})
        run_id = handle["structuredContent"]["run_id"]
        waiting = await _json(client, f"dragoman://runs/{run_id}")
        await client.engine.answer(ADA, run_id, {waiting["questions"][0]["key"]: {"approved": True}})
        await client.engine.wait(ADA, run_id, 10)
        ended = await _json(client, f"dragoman://runs/{run_id}")
    assert (waiting["status"], waiting["questions"][0]["message"]) == ("waiting", "Delete the file?")
    assert (ended["status"], ended["output"]) == ("succeeded", "deleted the file")
    assert "questions" not in ended
    assert waiting["created_at"] == ended["created_at"] <= ended["updated_at"]


async def test_a_run_names_its_thread_and_its_artifacts_by_their_uris(in_process: Start) -> None:
    client: Client
    async with in_process() as client:
        made = await client.call("report")
        told = await _json(client, f"dragoman://runs/{made['_meta']['dragoman/run']}")
        artifacts = {a["name"]: await _read(client, a["uri"]) for a in told["artifacts"]}
        thread = await _json(client, told["thread"])
    sizes = {a["name"]: (a["mime_type"], a["size"]) for a in told["artifacts"]}
    assert sizes == {
        "report.md": ("text/markdown", 13),
        "dot.png": ("image/png", 4),
        "data.bin": ("application/octet-stream", 200),
    }
    assert artifacts["report.md"]["text"] == "# All is well"
    assert base64.b64decode(artifacts["data.bin"]["blob"]) == bytes(range(200))
    assert thread["thread_id"] == made["_meta"]["dragoman/thread"]
    assert {"status", "values", "metadata"} <= set(thread)


async def test_an_item_of_the_store_is_read_by_its_namespace_and_key(in_process: Start) -> None:
    client: Client
    async with in_process() as client:
        await client.engine.put_item(ADA, ("notes", "a/b"), "c d", {"x": 1})
        assert await _json(client, "dragoman://store/notes/a%2Fb/c%20d") == {"x": 1}
        missing = await client.modern("resources/read", {"uri": "dragoman://store/notes/a/b/c%20d"})
    assert missing["error"]["code"] == -32602


async def test_an_agents_instructions_are_read_by_those_who_may_call_it(in_process: Start) -> None:
    client: Client
    bob = Principal("acme", "bob", frozenset())
    async with in_process(audit, internal, tools=("*", "!internal")) as client:
        told = await _read(client, "dragoman://agents/audit")
        refused = await client.modern("resources/read", {"uri": "dragoman://agents/audit"}, principal=bob)
        hidden = await client.modern("resources/read", {"uri": "dragoman://agents/internal"})
    assert told["mimeType"] == "text/markdown"
    assert "For those who audit" in told["text"]
    assert refused["error"]["data"] == {"requiredScopes": ["audit"]}
    assert hidden["error"]["message"] == "Resource not found."


async def test_what_is_another_tenants_is_not_found_in_the_words_for_what_never_was(in_process: Start) -> None:
    client: Client
    async with in_process() as client:
        made = (await client.call("report"))["_meta"]
        run_id, thread_id = made["dragoman/run"], made["dragoman/thread"]
        (first, *_) = (await _json(client, f"dragoman://runs/{run_id}"))["artifacts"]
        await client.engine.put_item(ADA, ("notes",), "k", {"x": 1})
        mine = [
            f"dragoman://runs/{run_id}",
            first["uri"],
            f"dragoman://threads/{thread_id}",
            "dragoman://store/notes/k",
        ]
        listed = (await client.modern("resources/list", principal=EVE))["result"]["resources"]
        foreign = [(await client.modern("resources/read", {"uri": uri}, principal=EVE))["error"] for uri in mine]
        never = (await client.modern("resources/read", {"uri": "dragoman://runs/never"}, principal=EVE))["error"]
        for uri in mine:
            await _read(client, uri)
    assert {(e["code"], e["message"]) for e in foreign} == {(never["code"], never["message"])}
    assert not [entry for entry in listed if entry["uri"].startswith(("dragoman://runs", "dragoman://threads"))]


# -- what people offer -------------------------------------------------------------------------------------------------
async def test_a_resource_is_text_bytes_or_json_as_its_function_gives(in_process: Start) -> None:
    client: Client
    async with in_process(catalog=_catalog()) as client:
        text = await _read(client, "notes://today")
        blob = await _read(client, "notes://bytes")
        value = await _json(client, "notes://mon%20day/7")
    assert text == {"uri": "notes://today", "mimeType": "text/markdown", "text": "# all quiet"}
    assert (blob["mimeType"], base64.b64decode(blob["blob"])) == ("application/octet-stream", b"\x00\x01")
    assert blob["_meta"] == {"acme.example/kept": True}
    assert value == {"day": "mon day", "number": 7}


@pytest.mark.parametrize("uri", ["notes://monday/seven", "notes://monday/10", "notes://monday", "other://x"])
async def test_what_a_uri_does_not_name_is_not_found_in_each_era(in_process: Start, uri: str) -> None:
    client: Client
    async with in_process(catalog=_catalog()) as client:
        modern = await client.modern("resources/read", {"uri": uri})
        older = await client.older("resources/read", {"uri": uri})
    assert modern["error"] == {"code": -32602, "message": "Resource not found.", "data": {"uri": uri}}
    assert older["error"]["code"] == -32002


async def test_a_function_that_fails_tells_nothing_of_why_but_may_refuse_with_a_code(in_process: Start) -> None:
    client: Client
    async with in_process(catalog=_catalog()) as client:
        failed = await client.modern("resources/read", {"uri": "broken://disk"})
        refused = await client.modern("resources/read", {"uri": "broken://code"})
    assert failed["error"]["code"] == -32603
    assert "/srv" not in json.dumps(failed)
    assert refused["error"] == {"code": 4001, "message": "not on a Sunday"}


async def test_reading_may_ask_and_the_retry_is_answered(in_process: Start) -> None:
    client: Client
    async with in_process(catalog=_catalog()) as client:
        params: dict[str, Any] = {"uri": "asked://it"}
        first = (await client.modern("resources/read", params, elicits=True))["result"]
        (key,) = first["inputRequests"]
        params["requestState"] = first["requestState"]
        params["inputResponses"] = {key: {"action": "accept", "content": {"answer": "b"}}}
        second = (await client.modern("resources/read", params, elicits=True))["result"]
        other = await client.modern("resources/read", {**params, "uri": "asked://other"}, elicits=True)
    assert first["resultType"] == "input_required"
    assert second["contents"][0]["text"] == "it: b"
    assert other["error"]["code"] == -32602


async def test_a_resource_is_for_those_who_hold_its_scopes(in_process: Start) -> None:
    client: Client
    bob, amy = Principal("acme", "bob", frozenset()), Principal("acme", "amy", frozenset(["plans"]))
    async with in_process(catalog=_catalog()) as client:
        lists = [(await client.modern("resources/list", principal=who))["result"]["resources"] for who in (bob, amy)]
        refused = await client.modern("resources/read", {"uri": "secret://plans"}, principal=bob)
        read = await _read(client, "secret://plans", principal=amy)
    assert ["secret://plans" in {entry["uri"] for entry in entries} for entries in lists] == [False, True]
    assert refused["error"]["data"] == {"requiredScopes": ["plans"]}
    assert read["text"] == "to win"


# -- lists -------------------------------------------------------------------------------------------------------------
@pytest.mark.requirement("resources.listed")
async def test_the_list_has_what_is_offered_then_agents_then_the_newest_runs(
    in_process: Start, schemas: Schemas
) -> None:
    client: Client
    async with in_process(catalog=_catalog(), tools=("echo", "add"), companions=False, listed_runs=2) as client:
        runs = [(await client.call("echo", {"text": str(n)}))["_meta"] for n in range(3)]
        result = (await client.modern("resources/list"))["result"]
        older = (await client.older("resources/list"))["result"]
    told = [entry["uri"] for entry in result["resources"]]
    newest = [f"dragoman://{kind}s/{run[f'dragoman/{kind}']}" for run in runs[:0:-1] for kind in ("run", "thread")]
    offered = ["notes://today", "notes://bytes", "secret://plans"]
    assert told == [*offered, "dragoman://agents/echo", "dragoman://agents/add", *newest]
    first, *_, last = result["resources"]
    assert (first["size"], first["mimeType"], first["icons"][0]["src"]) == (11, "text/markdown", today.icons[0].src)
    assert datetime.fromisoformat(last["annotations"]["lastModified"]) <= datetime.now(UTC)
    assert (result["cacheScope"], result["ttlMs"]) == ("private", 5000)
    schemas.modern("ListResourcesResult", result)
    schemas.older("ListResourcesResult", older)


async def test_the_pages_of_a_list_hold_each_resource_once_while_runs_come(in_process: Start) -> None:
    client: Client
    async with in_process(catalog=_catalog(), page_size=4) as client:
        for number in range(3):
            await client.call("echo", {"text": str(number)})
        whole = [entry["uri"] for entry in (await _pages(client))]
        told: list[str] = []
        cursor: dict[str, str] = {}
        while True:
            page = (await client.modern("resources/list", cursor))["result"]
            assert len(page["resources"]) <= 4
            told += [entry["uri"] for entry in page["resources"]]
            if "nextCursor" not in page:
                break
            cursor = {"cursor": page["nextCursor"]}
            await client.call("echo", {"text": "one more"})
    assert len(told) == len(set(told))
    assert set(whole) <= set(told)


async def _pages(client: Client) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await client.modern("resources/list", cursor))["result"]
        entries += page["resources"]
        if "nextCursor" not in page:
            return entries
        cursor = {"cursor": page["nextCursor"]}


async def test_templates_are_listed_with_those_of_the_server_itself(in_process: Start, schemas: Schemas) -> None:
    client: Client
    async with in_process(catalog=_catalog()) as client:
        result = (await client.modern("resources/templates/list"))["result"]
    assert [entry["uriTemplate"] for entry in result["resourceTemplates"]] == [
        "notes://{day}/{number}",
        "broken://{how}",
        "asked://{what}",
        "dragoman://runs/{run_id}",
        "dragoman://runs/{run_id}/artifacts/{artifact_id}",
        "dragoman://threads/{thread_id}",
        "dragoman://store/{+path}",
        "dragoman://agents/{agent}",
    ]
    schemas.modern("ListResourceTemplatesResult", result)


async def test_a_resource_that_comes_is_listed_and_one_that_goes_is_not(in_process: Start) -> None:
    client: Client
    catalog = Catalog(today)
    async with in_process(catalog=catalog) as client:
        seen = [{entry["uri"] for entry in await _pages(client)}]
        catalog.add(plans)
        seen.append({entry["uri"] for entry in await _pages(client)})
        catalog.remove(plans)
        seen.append({entry["uri"] for entry in await _pages(client)})
    assert ["secret://plans" in uris for uris in seen] == [False, True, False]
