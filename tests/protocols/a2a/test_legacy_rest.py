"""A raw client of A2A 0.3 over HTTP+JSON, and the first 0.3 client that a server meets."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from .conftest import House, Open
from .served import echo, refunds, waiting_task

pytestmark = pytest.mark.anyio


def message(text: str, number: int, **more: Any) -> dict[str, Any]:
    """As the proto file of 0.3 has it."""
    return {"message": {"messageId": f"lr{number}", "role": "ROLE_USER", "content": [{"text": text}], **more}}


async def events(house: House, path: str, body: Any = None) -> list[Any]:
    method = "POST" if body is not None else "GET"
    async with house.http.stream(method, f"/a2a/{path}", json=body) as answer:
        assert answer.status_code == 200, await answer.aread()
        return [json.loads(line[5:]) async for line in answer.aiter_lines() if line.startswith("data:")]


async def test_a_message_is_sent_streamed_and_its_task_got_and_cancelled(open_house: Open) -> None:
    async with open_house(echo, refunds, real=True) as house:
        task = (await house.http.post("/a2a/echo/v1/message:send", json=message("hi", 1))).json()["task"]
        assert task["status"]["state"] == "TASK_STATE_COMPLETED"
        assert (await house.http.get(f"/a2a/echo/v1/tasks/{task['id']}")).json()["id"] == task["id"]
        streamed = await events(house, "echo/v1/message:stream", message("hi", 2))
        assert streamed[-1]["statusUpdate"]["status"]["state"] == "TASK_STATE_COMPLETED"
        open_task = await waiting_task(house)
        cancelled = (await house.http.post(f"/a2a/refunds/v1/tasks/{open_task['id']}:cancel")).json()
        assert cancelled["status"]["state"] == "TASK_STATE_CANCELLED"


async def test_a_stream_of_what_is_not_there_is_an_error_and_no_stream(open_house: Open) -> None:
    async with open_house(echo, real=True) as house:
        answer = await house.http.get("/a2a/echo/v1/tasks/nobody:subscribe")
        assert answer.status_code == 404
        assert answer.json()["error"]["details"][0]["reason"] == "TASK_NOT_FOUND"
        wrong = await house.http.post("/a2a/echo/v1/message:stream", json={"message": {"content": "x"}})
        assert wrong.status_code == 400
        assert await house.runs() == 0


def test_the_adapter_of_this_binding_is_found_by_who_comes_first() -> None:
    code = "import dragoman.a2a.legacy_rest"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, env={**os.environ})
    assert done.returncode == 0, done.stderr
