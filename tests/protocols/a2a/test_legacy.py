"""A raw client of A2A 0.3: JSON-RPC with the method names, states and discriminators of that version."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dragoman.agents import Context, agent

from .conftest import House, Open

pytestmark = pytest.mark.anyio


@agent
async def echo(ctx: Context, text: str) -> str:
    await ctx.stream_text(text)
    return text


@agent
async def refunds(ctx: Context, order: str, amount: float) -> str:
    return "paid" if (await ctx.approve(f"Refund {amount:g}?")).approved else "declined"


_numbers = iter(range(1, 1000))


async def call(house: House, agent: str, method: str, params: Any, version: str = "", **headers: str) -> dict[str, Any]:
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    query = f"?A2A-Version={version}" if version else ""
    answer = await house.http.post(f"/a2a/{agent}{query}", json=body, headers=headers)
    assert answer.status_code == 200
    told: dict[str, Any] = answer.json()
    return told


def message(*parts: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "message": {
            "kind": "message",
            "messageId": f"l{next(_numbers)}",
            "role": "user",
            "parts": list(parts),
            **more,
        }
    }


def words(text: str) -> dict[str, Any]:
    return {"kind": "text", "text": text}


@pytest.mark.parametrize("version", ["", "0.3", "0.3.0"])
async def test_a_message_is_sent_and_its_task_got(open_house: Open, version: str) -> None:
    async with open_house(echo) as house:
        task = (await call(house, "echo", "message/send", message(words("hi")), version))["result"]
        assert (task["kind"], task["status"]["state"]) == ("task", "completed")
        assert task["artifacts"][0]["parts"] == [{"kind": "text", "text": "hi"}]
        assert task["history"][0]["role"] == "user"
        assert (await call(house, "echo", "tasks/get", {"id": task["id"]}, version))["result"] == task


async def test_a_question_is_answered_and_a_task_cancelled(open_house: Open) -> None:
    async with open_house(refunds) as house:
        fields = {"kind": "data", "data": {"order": "o1", "amount": 5}}
        task = (await call(house, "refunds", "message/send", message(fields)))["result"]
        assert task["status"]["state"] == "input-required"
        assert task["status"]["message"]["parts"][0] == {"kind": "text", "text": "Refund 5?"}
        task = (await call(house, "refunds", "message/send", message(words("yes"), taskId=task["id"])))["result"]
        assert task["artifacts"][0]["parts"][0]["text"] == "paid"
        task = (await call(house, "refunds", "message/send", message(fields)))["result"]
        gone = (await call(house, "refunds", "tasks/cancel", {"id": task["id"]}))["result"]
        assert gone["status"]["state"] == "canceled"


async def test_a_message_is_streamed(open_house: Open) -> None:
    async with open_house(echo, real=True) as house:
        body = {"jsonrpc": "2.0", "id": 9, "method": "message/stream", "params": message(words("hi"))}
        async with house.http.stream("POST", "/a2a/echo", json=body) as answer:
            lines = [json.loads(line[6:]) async for line in answer.aiter_lines() if line.startswith("data: ")]
        results = [line["result"] for line in lines]
        assert [r["kind"] for r in results] == ["task", "artifact-update", "artifact-update", "status-update"]
        assert (results[-1]["status"]["state"], results[-1]["final"]) == ("completed", True)


async def test_a_non_blocking_message_is_answered_at_once(open_house: Open) -> None:
    async with open_house(refunds) as house:
        params = {
            **message({"kind": "data", "data": {"order": "o1", "amount": 5}}),
            "configuration": {"blocking": False},
        }
        task = (await call(house, "refunds", "message/send", params))["result"]
        assert task["status"]["state"] in ("submitted", "working", "input-required")


ERRORS: list[tuple[str, Any, int, str]] = [
    ("tasks/get", {"id": "r0"}, -32001, "no task 'r0'"),
    ("tasks/cancel", {"id": "r0"}, -32001, "no task 'r0'"),
    ("message/send", message(words("hi"), taskId="r0"), -32001, "no task 'r0'"),
    ("message/send", message({"kind": "data", "data": {"order": "o1"}}), -32602, "amount: Field required"),
    ("tasks/pushNotificationConfig/list", {"id": "r0"}, -32001, "no task 'r0'"),
    ("agent/getAuthenticatedExtendedCard", None, -32007, "extended card"),
]


@pytest.mark.parametrize(("method", "params", "code", "says"), ERRORS, ids=[e[0] for e in ERRORS])
async def test_errors_have_the_codes_of_0_3(open_house: Open, method: str, params: Any, code: int, says: str) -> None:
    async with open_house(refunds) as house:
        error = (await call(house, "refunds", method, params))["error"]
        assert error["code"] == code
        assert says in error["message"]
        assert await house.runs() == 0


async def test_another_tenants_task_is_not_found(open_house: Open) -> None:
    async with open_house(echo) as house:
        task = (await call(house, "echo", "message/send", message(words("hi"))))["result"]
        told = await call(house, "echo", "tasks/get", {"id": task["id"]}, **{"x-caller": "umbrella/eve"})
        assert told["error"]["code"] == -32001


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({}, "message"),
        ({"message": {"kind": "message", "role": "user", "parts": []}}, "message.messageId"),
        ({"message": {"kind": "message", "messageId": "m", "role": "user", "parts": "x"}}, "message.parts"),
        (message({"type": "unsupported", "text": "x"}), "message.parts[0].kind"),
        (message(words("x"), {"kind": "file", "file": {"bytes": "no base64", "name": "f"}}), "parts[1].file.bytes"),
    ],
)
async def test_params_that_do_not_fit_are_told_by_field(open_house: Open, params: Any, field: str) -> None:
    async with open_house(echo) as house:
        for method in ("message/send", "message/stream"):
            error = (await call(house, "echo", method, params))["error"]
            assert error["code"] == -32602
            assert field in error["data"][1]["fieldViolations"][0]["field"]
        assert await house.runs() == 0


async def test_what_is_wrong_with_a_call_is_told_before_the_lack_of_an_id(open_house: Open) -> None:
    async with open_house(echo) as house:
        for method, code in (("message/other", -32601), ("message/send", -32602), ("tasks/get", -32602)):
            answer = await house.http.post("/a2a/echo", json={"jsonrpc": "2.0", "method": method, "params": {}})
            assert (answer.json()["id"], answer.json()["error"]["code"]) == (None, code)
        body = {"jsonrpc": "2.0", "method": "message/send", "params": message(words("hi"))}
        assert (await house.http.post("/a2a/echo", json=body)).json()["error"]["code"] == -32600
        assert await house.runs() == 0
