"""Tools that are done within their request: how they are told of, and their results, errors, progress and logs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from mcp.client import Client
from pydantic import BaseModel, Field

from dragoman.agents import (
    Audio,
    CallContext,
    CannotAsk,
    Catalog,
    Content,
    Declined,
    Embedded,
    Hints,
    Icon,
    Image,
    InterruptExpired,
    Link,
    Rejected,
    RequestError,
    Text,
    ToolResult,
    tool,
)
from dragoman.memory.model import Principal

Start = Callable[..., AbstractAsyncContextManager[Any]]
pytestmark = pytest.mark.anyio

META = "io.modelcontextprotocol/"
CALLER = Principal("acme", "ada")
AUDIT = "dragoman.audit"


class Person(BaseModel):
    name: str
    age: int = Field(ge=0)


# -- the tools ---------------------------------------------------------------------------------------------------------
@tool(expose=True, description="Say it back", hints=Hints(read_only=True, open_world=False))
async def say(text: str, times: int = 1) -> str:
    return text * times


@tool(expose=True)
async def person(name: str) -> Person:
    """Make a person."""
    return Person(name=name, age=3)


@tool(expose=True, icons=[Icon(src="https://a.example/i.png", sizes=("48x48",))], meta={"a.example/kind": "parts"})
async def parts() -> list[Content]:
    """Each kind of content."""
    return [
        Text(text="hello"),
        Image(data=b"\x89PNG"),
        Audio(data=b"RIFF"),
        Embedded(uri="test://a", mime_type="text/plain", text="inside"),
        Link(uri="test://b", name="b", size=5),
    ]


@tool(expose=True)
async def chosen(failing: bool) -> ToolResult:
    """A result whose parts are chosen."""
    return ToolResult(content=(Text(text="some"),), structured={"some": 1}, is_error=failing)


@tool(expose=True)
async def untold(what: str):  # type: ignore[no-untyped-def]
    """A function that does not say what it gives."""
    return Text(text="a block") if what == "block" else {"what": what}


@tool(expose=True)
async def wrong() -> int:
    """Not what it promises."""
    return "seven"  # type: ignore[return-value]  # pyright: ignore[reportReturnType]


@tool(expose=True)
async def broken(how: str) -> str:
    """Fail in some way."""
    if how == "request":
        raise RequestError("the quota is used up", code=-31000, data={"left": 0})
    if how == "rejected":
        raise Rejected("not on a Sunday")
    if how == "timeout of its own":
        raise TimeoutError("the bank did not answer")
    raise ValueError("no such account" if how == "with words" else "")


@tool(expose=True)
async def told(ctx: CallContext, steps: int) -> str:
    """Tell how far it is."""
    for step in range(steps):
        await ctx.progress(step, steps, f"step {step}")
    await ctx.progress(0, steps)  # falls, and so is not told
    await ctx.log({"steps": steps}, level="warning", logger="told")
    return f"{ctx.principal.subject} {ctx.metadata.get('a.example/x')} {ctx.cancelled}"


@tool(expose=True)
async def gentle(ctx: CallContext) -> str:
    """Take no for an answer."""
    try:
        answer = await ctx.ask("May I?")
    except Declined as declined:
        return f"you chose to {declined.action}"
    except CannotAsk as cannot:
        return f"nobody to ask: {cannot.capability}"
    except InterruptExpired:
        return "too late"
    return answer


@tool(expose=True, timeout=0.05)
async def dawdle() -> str:
    """Take too long."""
    await asyncio.Event().wait()
    return "at last"


CATALOG = (say, person, parts, chosen, untold, wrong, broken, told, gentle, dawdle)


def _catalog() -> Catalog:
    return Catalog(*CATALOG)


# -- lists -------------------------------------------------------------------------------------------------------------
async def test_exposed_tools_are_listed_after_agents_and_before_the_companions(in_process: Start) -> None:
    async with in_process(catalog=_catalog()) as client:
        names = [t["name"] for t in (await client.modern("tools/list"))["result"]["tools"]]
    at = names.index("say")
    assert names[0] == "echo"
    assert names[at : at + len(CATALOG)] == [t.name for t in CATALOG]
    assert names[at + len(CATALOG) :] == ["run_status", "run_answer", "run_cancel"]


@pytest.mark.parametrize("version", ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"])
async def test_a_tool_is_told_of_as_its_version_knows(in_process: Start, version: str, schemas: Any) -> None:
    async with in_process(catalog=_catalog()) as client:
        if version == "2026-07-28":
            response = await client.modern("tools/list")
        else:
            response = await client.older("tools/list", version=version)
    tools = {t["name"]: t for t in response["result"]["tools"]}
    since = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"].index(version)
    assert ("annotations" in tools["say"]) == (since >= 1)
    assert ("outputSchema" in tools["say"]) == ("title" in tools["say"]) == ("_meta" in tools["parts"]) == (since >= 2)
    assert ("icons" in tools["parts"]) == (since >= 3)
    assert "outputSchema" not in tools["parts"]
    assert not any("execution" in told for told in tools.values())
    if since >= 1:
        assert tools["say"]["annotations"] == {"readOnlyHint": True, "openWorldHint": False}
        assert "annotations" not in tools["person"]
    if since >= 2:
        assert tools["person"]["outputSchema"]["type"] == "object"
        assert "run_id" not in str(tools["person"]["outputSchema"])
    if since >= 3:
        for told in tools.values():
            schemas.check(f"mcp-{version}", "Tool", told)


async def test_a_list_follows_the_catalog_and_a_cursor_goes_on_in_the_changed_list(in_process: Start) -> None:
    catalog = _catalog()
    async with in_process(catalog=catalog, page_size=14) as client:
        first = (await client.modern("tools/list"))["result"]
        last = first["tools"][-1]["name"]
        catalog.remove(next(t for t in CATALOG if t.name == last))
        second = (await client.modern("tools/list", {"cursor": first["nextCursor"]}))["result"]
        anew = (await client.modern("tools/list"))["result"]
    names = [t.name for t in CATALOG]
    assert second["tools"][0]["name"] == names[names.index(last) + 1]
    assert anew["tools"][-1]["name"] == names[names.index(last) + 1]


async def test_the_pages_of_a_list_hold_each_tool_once(in_process: Start) -> None:
    found: list[str] = []
    async with in_process(catalog=_catalog(), page_size=3) as client:
        whole = [t["name"] for t in (await client.modern("tools/list", {}))["result"]["tools"]]
        page: dict[str, Any] = (await client.modern("tools/list"))["result"]
        found += [t["name"] for t in page["tools"]]
        while "nextCursor" in page:
            page = (await client.modern("tools/list", {"cursor": page["nextCursor"]}))["result"]
            found += [t["name"] for t in page["tools"]]
    assert len(found) == len(set(found))
    assert found[: len(whole)] == whole
    assert found[-1] == "run_cancel"


async def test_tools_are_chosen_by_globs(in_process: Start) -> None:
    async with in_process(catalog=_catalog(), tools=("s*", "echo", "!slow"), companions=False) as client:
        names = [t["name"] for t in (await client.modern("tools/list"))["result"]["tools"]]
        left_out = await client.modern("tools/call", {"name": "slow"})
        agent = await client.modern("tools/call", {"name": "add", "arguments": {"a": 1, "b": 2}})
    assert names == ["echo", "ship", "say"]
    assert left_out["error"]["code"] == agent["error"]["code"] == -32602
    assert "slow" not in left_out["error"]["message"].partition("there are")[2]


# -- results -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("modern", [True, False])
async def test_json_is_told_as_text_and_as_structure(in_process: Start, modern: bool) -> None:
    async with in_process(catalog=_catalog()) as client:
        ask = client.modern if modern else client.older
        text = (await ask("tools/call", {"name": "say", "arguments": {"text": "ab", "times": 2}}))["result"]
        object = (await ask("tools/call", {"name": "person", "arguments": {"name": "Ada"}}))["result"]
    assert text["content"] == [{"type": "text", "text": "abab"}]
    assert text["structuredContent"] == {"result": "abab"}
    assert object["structuredContent"] == {"name": "Ada", "age": 3}
    assert text["isError"] is object["isError"] is False
    assert ("resultType" in text) == modern


async def test_content_is_told_as_blocks(in_process: Start, schemas: Any) -> None:
    async with in_process(catalog=_catalog()) as client:
        result = await client.call("parts")
    assert [b["type"] for b in result["content"]] == ["text", "image", "audio", "resource", "resource_link"]
    assert result["content"][3]["resource"] == {"uri": "test://a", "mimeType": "text/plain", "text": "inside"}
    assert "structuredContent" not in result
    schemas.modern("CallToolResult", result)


async def test_a_version_without_a_kind_of_block_is_told_in_text(in_process: Start) -> None:
    async with in_process(catalog=_catalog()) as client:
        response = await client.older("tools/call", {"name": "parts"}, version="2024-11-05")
    assert [b["type"] for b in response["result"]["content"]] == ["text", "image", "text", "resource", "text"]


@pytest.mark.parametrize("failing", [True, False])
async def test_a_result_may_be_chosen_part_by_part(in_process: Start, failing: bool) -> None:
    async with in_process(catalog=_catalog()) as client:
        result = await client.call("chosen", {"failing": failing})
    assert result["isError"] is failing
    assert result["structuredContent"] == {"some": 1}
    assert result["content"] == [{"type": "text", "text": "some"}]


async def test_a_function_that_does_not_say_what_it_gives_is_told_by_what_it_gave(in_process: Start) -> None:
    async with in_process(catalog=_catalog()) as client:
        block = await client.call("untold", {"what": "block"})
        object = await client.call("untold", {"what": "x"})
    assert block["content"] == [{"type": "text", "text": "a block"}]
    assert object["structuredContent"] == {"what": "x"}


# -- errors ------------------------------------------------------------------------------------------------------------
async def test_an_argument_that_does_not_fit_is_told_by_its_field(in_process: Start) -> None:
    async with in_process(catalog=_catalog()) as client:
        result = await client.call("say", {"text": "a", "times": "many", "loud": True})
    assert result["isError"] is True
    assert "times" in result["content"][0]["text"]
    assert "loud" in result["content"][0]["text"]


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("with words", "no such account"),
        ("without", "ValueError"),
        ("rejected", "not on a Sunday"),
        ("timeout of its own", "the bank did not answer"),
    ],
)
async def test_what_a_function_raises_is_seen_by_the_model(
    in_process: Start, how: str, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with in_process(catalog=_catalog()) as client:
        result = await client.call("broken", {"how": how})
    assert result["isError"] is True
    assert result["content"] == [{"type": "text", "text": told}]
    logged = [r for r in caplog.records if r.exc_info is not None and r.name == "dragoman.mcp"]
    assert [r.levelno for r in logged] == ([] if how == "rejected" else [logging.WARNING])


async def test_a_result_that_is_not_what_was_promised_is_an_error(in_process: Start) -> None:
    async with in_process(catalog=_catalog()) as client:
        result = await client.call("wrong")
    assert result["isError"] is True


@pytest.mark.parametrize("modern", [True, False])
async def test_an_error_of_the_request_is_a_json_rpc_error(in_process: Start, modern: bool) -> None:
    async with in_process(catalog=_catalog()) as client:
        ask = client.modern if modern else client.older
        response = await ask("tools/call", {"name": "broken", "arguments": {"how": "request"}})
    assert response["error"] == {"code": -31000, "message": "the quota is used up", "data": {"left": 0}}


async def test_a_tool_that_takes_longer_than_its_timeout_is_stopped_and_says_so(in_process: Start) -> None:
    async with in_process(catalog=_catalog()) as client:
        result = await client.call("dawdle")
    assert result["isError"] is True
    assert result["content"][0]["text"] == "dawdle took longer than its 0.05 s."


# -- progress, logs, audit ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize("modern", [True, False])
async def test_progress_and_logs_go_out_before_the_answer(in_process: Start, modern: bool, recorded: Any) -> None:
    meta = {"progressToken": "p1", "a.example/x": "y"}
    async with in_process(catalog=_catalog()) as client:
        if modern:
            meta[META + "logLevel"] = "info"
            params: dict[str, Any] = {"name": "told", "arguments": {"steps": 3}}
            response = await client.modern("tools/call", params, meta=meta, channel=recorded)
        else:
            params = {"name": "told", "arguments": {"steps": 3}, "_meta": meta}
            response = await client.older("tools/call", params, channel=recorded)
    progress = [m["params"] for m in recorded.sent if m["method"] == "notifications/progress"]
    assert progress == [{"progressToken": "p1", "progress": n, "total": 3, "message": f"step {n}"} for n in range(3)]
    (logged,) = [m["params"] for m in recorded.sent if m["method"] == "notifications/message"]
    assert logged == {"level": "warning", "data": {"steps": 3}, "logger": "told"}
    assert response["result"]["content"][0]["text"] == "ada y False"


async def test_nothing_is_told_on_the_way_to_a_client_that_did_not_ask_for_it(in_process: Start, recorded: Any) -> None:
    async with in_process(catalog=_catalog()) as client:
        await client.call("told", {"steps": 3}, channel=recorded)
    assert recorded.sent == []


@pytest.mark.parametrize(
    ("name", "arguments", "outcome"),
    [
        ("say", {"text": "s3cret"}, "ok"),
        ("say", {"text": 5}, "invalid"),
        ("broken", {"how": "request"}, "refused"),
        ("broken", {"how": "s3cret"}, "error"),
        ("chosen", {"failing": True}, "error"),
        ("dawdle", {}, "timeout"),
        ("gentle", {}, "input_required"),
    ],
)
async def test_a_call_is_audited_without_its_arguments(
    in_process: Start, caplog: pytest.LogCaptureFixture, name: str, arguments: dict[str, Any], outcome: str
) -> None:
    caplog.set_level(logging.INFO, AUDIT)
    async with in_process(catalog=_catalog()) as client:
        await client.modern("tools/call", {"name": name, "arguments": arguments}, elicits=True)
    (line,) = [r for r in caplog.records if r.name == AUDIT]
    found = vars(line)
    assert (found["tool"], found["tenant"], found["subject"], found["outcome"]) == (name, "acme", "ada", outcome)
    assert found["duration_ms"] >= 0
    assert "s3cret" not in str({k: v for k, v in found.items() if k != "exc_info"})


async def test_a_plain_call_leaves_no_run_behind(in_process: Start) -> None:
    async with in_process(catalog=_catalog()) as client:
        await client.call("say", {"text": "a"})
        assert (await client.engine.list_runs(CALLER)).items == ()


# -- a real client -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
async def test_the_official_client_lists_calls_and_hears(over_http: Start, mode: Any) -> None:
    heard: list[tuple[float, str | None]] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        heard.append((progress, message))

    async with over_http(catalog=_catalog()) as server, Client(server.url, mode=mode) as client:
        listed = await client.list_tools()
        said = await client.call_tool("say", {"text": "hi"})
        await client.call_tool("told", {"steps": 2}, progress_callback=hear)
        blocks = await client.call_tool("parts", {})
    assert {t.name for t in CATALOG} <= {t.name for t in listed.tools}
    assert said.structured_content == {"result": "hi"}
    assert heard == [(0, "step 0"), (1, "step 1")]
    assert [b.type for b in blocks.content] == ["text", "image", "audio", "resource", "resource_link"]
