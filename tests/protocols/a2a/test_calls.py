"""JSON-RPC over HTTP: each request that is no call gets the protocol's own error, and leaves no run behind."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import Any

import pytest

from dragoman.agents import Context, agent
from dragoman.engine import EngineSettings

from .conftest import House, Open, a_message

pytestmark = pytest.mark.anyio

JSON = {"content-type": "application/json", "a2a-version": "1.0"}


@agent
async def echo(ctx: Context, text: str) -> str:
    return text


@agent
async def refunds(ctx: Context, order: str, amount: float) -> str:
    return order


@agent
async def breaks(ctx: Context, text: str) -> str:
    return text


def call(method: Any = "SendMessage", **more: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": {"message": a_message("hi")}, **more}


async def refused(house: House, body: Any = None, path: str = "/a2a/echo", status: int = 200, **more: Any) -> Any:
    """The error that a request gets, which leaves the ledger as it was."""
    before = await house.runs()
    sent: dict[str, Any] = {"headers": JSON, **more}
    if body is not None:
        sent["json"] = body
    answer = await house.http.post(path, **sent)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/json"
    told = answer.json()
    assert "result" not in told
    assert told["error"]["message"]
    assert told["error"]["data"][0]["domain"] == "a2a-protocol.org"
    assert await house.runs() == before
    return told


NOT_CALLS: list[tuple[Any, int, Any, str]] = [
    ([call()], -32600, None, "batch"),
    ("hi", -32600, None, "not an object"),
    (call(jsonrpc="1.0"), -32600, 1, '"jsonrpc"'),
    (call(id=True), -32600, None, '"id"'),
    (call(id={"a": 1}), -32600, None, '"id"'),
    (call(method=5), -32600, 1, '"method"'),
    (call(method=""), -32600, 1, '"method"'),
    (call(params=[1]), -32602, 1, "params"),
    ({"jsonrpc": "2.0", "method": "SendMessage", "params": {}}, -32600, None, "notifications"),
    (call("SendMassage"), -32601, 1, "'SendMassage'"),
    (call("message/send"), -32601, 1, "'message/send'"),
    (call("sendMessage"), -32601, 1, "'sendMessage'"),
]


@pytest.mark.parametrize(("body", "code", "id", "says"), NOT_CALLS)
@pytest.mark.requirement("a2a.jsonrpc.format")
async def test_what_is_no_call_is_refused(open_house: Open, body: Any, code: int, id: Any, says: str) -> None:
    async with open_house(echo) as house:
        told = await refused(house, body)
        assert (told["error"]["code"], told["id"]) == (code, id)
        assert says in told["error"]["message"]


BROKEN = [
    b"",
    b"{",
    b'{"jsonrpc": "2.0", "id": NaN}',
    b"[" * 100_000 + b"]" * 100_000,
    b"\xff\xfe",
    b'{"a": "\\ud800"}',
]


@pytest.mark.parametrize("body", BROKEN, ids=["empty", "cut off", "NaN", "100k deep", "not UTF-8", "lone surrogate"])
@pytest.mark.requirement("a2a.utf-8")
async def test_what_is_no_json_is_a_parse_error(open_house: Open, body: bytes) -> None:
    async with open_house(echo) as house:
        told = await refused(house, content=body)
        assert (told["error"]["code"], told["id"]) == (-32700, None)


async def test_data_nested_too_deep_is_a_parse_error(open_house: Open) -> None:
    async with open_house(echo) as house:
        deep: Any = 1
        for _ in range(250):
            deep = [deep]
        told = await refused(house, call(params={"message": a_message({"data": deep})}))
        assert told["error"]["code"] == -32700


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "", None])
async def test_a_body_that_is_not_declared_json_is_not_read(open_house: Open, kind: str | None) -> None:
    async with open_house(echo) as house:
        headers = {"a2a-version": "1.0"} | ({} if kind is None else {"content-type": kind})
        told = await refused(house, content=b'{"jsonrpc":"2.0"', headers=headers)
        assert told["error"]["code"] == -32005


@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8", "application/a2a+json"])
async def test_json_may_be_declared_in_several_ways(open_house: Open, kind: str) -> None:
    async with open_house(echo) as house:
        answer = await house.http.post("/a2a/echo", json=call(), headers={**JSON, "content-type": kind})
        assert "result" in answer.json()


async def test_an_agent_that_is_not_there_is_named_among_those_that_are(open_house: Open) -> None:
    async with open_house(echo, refunds) as house:
        told = await refused(house, call(), path="/a2a/nobody", status=404)
        assert told["error"]["message"] == "There is no agent 'nobody' here; there are: echo, refunds."
        assert told["error"]["data"][0]["reason"] == "AGENT_NOT_FOUND"


@pytest.mark.parametrize(
    ("data", "fields"),
    [
        ({"order": "o1"}, ["amount"]),
        ({"order": 5, "amount": "much"}, ["order", "amount"]),
        ({"order": "o1", "amount": 5, "more": 1}, ["more"]),
        ("o1", [""]),
    ],
)
@pytest.mark.requirement("a2a.schema")
async def test_input_that_does_not_fit_the_agents_schema_is_told_by_its_fields(
    open_house: Open, data: Any, fields: list[str]
) -> None:
    async with open_house(echo, refunds) as house:
        body = call(params={"message": a_message({"data": data})})
        error = (await refused(house, body, path="/a2a/refunds"))["error"]
        assert error["code"] == -32602
        assert [v["field"] for v in error["data"][1]["fieldViolations"]] == fields


async def test_a_full_queue_says_when_to_come_again(open_house: Open) -> None:
    @agent
    async def works(ctx: Context, text: str) -> str:
        await asyncio.get_running_loop().create_future()
        return text

    async with open_house(works, engine_settings=EngineSettings(concurrency=1, queue_limit=1)) as house:
        for _ in range(2):
            params = {"message": a_message("go"), "configuration": {"returnImmediately": True}}
            await house.result("works", "SendMessage", params)
        for method in ("SendMessage", "SendStreamingMessage"):
            answer = await house.http.post("/a2a/works", json=call(method), headers=JSON)
            error = answer.json()["error"]
            assert (error["code"], error["data"][0]["reason"]) == (-32603, "QUEUE_FULL")
            assert float(error["data"][0]["metadata"]["retryAfter"]) > 0
            assert error["data"][1]["retryDelay"].endswith("s")
            assert int(answer.headers["retry-after"]) >= 1
        assert await house.runs() == 2


@pytest.mark.requirement("a2a.secrets")
async def test_an_error_of_our_own_tells_nothing_of_its_cause(
    open_house: Open, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_house(echo) as house:

        async def fails(*_: Any) -> None:
            raise RuntimeError("password=hunter2")

        monkeypatch.setattr(house.engine, "run", fails)
        told = await refused(house, call())
        assert (told["error"]["code"], told["error"]["message"], told["id"]) == (-32603, "Internal error.", 1)
        assert "hunter2" in caplog.text


# -- versions ---------------------------------------------------------------------------------------------------------
SERVED = [{"a2a-version": "1.0"}, {"a2a-version": "1.0.7"}, {"A2A-Version": " 1.0 "}]


@pytest.mark.parametrize("headers", SERVED)
@pytest.mark.requirement("a2a.version.semantics")
async def test_a_version_is_matched_by_major_and_minor(open_house: Open, headers: dict[str, str]) -> None:
    async with open_house(echo) as house:
        answer = await house.http.post("/a2a/echo", json=call(), headers=headers)
        assert "result" in answer.json()


@pytest.mark.parametrize("query", ["A2A-Version=1.0", "a2a-version=1.0&x=1", "A2A-Version=1%2E0"])
async def test_a_version_may_stand_in_the_query(open_house: Open, query: str) -> None:
    async with open_house(echo) as house:
        assert "result" in (await house.http.post(f"/a2a/echo?{query}", json=call())).json()


@pytest.mark.parametrize("version", ["2.0", "1.1", "0.2", "1", "one", "1.0.0.0", "99.0"])
async def test_a_version_that_is_not_served_is_refused(open_house: Open, version: str) -> None:
    async with open_house(echo) as house:
        error = (await refused(house, call(), headers={"a2a-version": version}))["error"]
        assert (error["code"], error["data"][0]["reason"]) == (-32009, "VERSION_NOT_SUPPORTED")
        assert error["data"][0]["metadata"] == {"supportedVersions": "1.0,0.3"}
        assert "1.0 and 0.3" in error["message"]


@pytest.mark.parametrize("headers", [{}, {"a2a-version": ""}, {"a2a-version": "0.3"}])
@pytest.mark.requirement("a2a.version.empty")
async def test_no_version_is_0_3_which_has_other_methods(open_house: Open, headers: dict[str, str]) -> None:
    async with open_house(echo) as house:
        error = (await refused(house, call(), headers=headers))["error"]
        assert error["code"] == -32009
        assert "A2A-Version: 1.0" in error["message"]


# -- what it costs to import ------------------------------------------------------------------------------------------
def test_the_sdk_is_not_imported_to_serve_1_0() -> None:
    code = "import sys, dragoman.a2a.routes; print([m for m in sys.modules if m.split('.')[0] in ('a2a', 'google')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"
