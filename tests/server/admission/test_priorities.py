"""The priority of a run, as callers of each protocol say it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import httpx
import pytest
from mcp.client import Client

from .house import House

pytestmark = pytest.mark.anyio

KEY = "dragoman/priority"
Face = Callable[[httpx.AsyncClient, int], Coroutine[Any, Any, tuple[str, Any]]]


async def over_agent_protocol(http: httpx.AsyncClient, priority: int) -> tuple[str, Any]:
    body: Any = {"agent_id": "clock", "input": {}, "metadata": {KEY: priority}, "on_disconnect": "continue"}
    told: Any = (await http.post("/runs/wait", json=body)).json()
    return str(told), told.get("values", {}).get("output")


async def over_langgraph(http: httpx.AsyncClient, priority: int) -> tuple[str, Any]:
    body: Any = {"assistant_id": "clock", "input": {}, "metadata": {KEY: priority}}
    told: Any = (await http.post("/runs/wait", json=body)).json()
    return str(told), told.get("output")


async def over_a2a(http: httpx.AsyncClient, priority: int) -> tuple[str, Any]:
    nothing: dict[str, str] = {}
    message = {"messageId": f"m{priority}", "role": "ROLE_USER", "parts": [{"data": nothing}]}
    params: Any = {"message": message, "metadata": {KEY: priority}}
    body: Any = {"jsonrpc": "2.0", "id": 1, "method": "SendMessage", "params": params}
    told: Any = (await http.post("/a2a/clock", json=body, headers={"a2a-version": "1.0"})).json()
    made = told.get("result", {}).get("task", {}).get("artifacts", [])
    texts = [part["text"] for artifact in made for part in artifact["parts"] if "text" in part]
    return str(told), float(texts[0]) if texts else None


async def over_mcp(http: httpx.AsyncClient, priority: int) -> tuple[str, Any]:
    meta: Any = {KEY: priority}
    async with Client(f"{http.base_url}/mcp") as client:
        told = await client.call_tool("clock", {}, meta=meta)
    [text] = told.content
    assert text.type == "text"
    return text.text, None if told.is_error else float(text.text)


async def test_a_caller_says_over_each_face_which_of_its_runs_comes_first(house: House) -> None:
    server = await house.serve("[engine]\nconcurrency = 1\n")
    async with house.client(server) as http:
        for face in (over_agent_protocol, over_langgraph, over_a2a, over_mcp):
            await _in_its_order(face, http)


async def _in_its_order(face: Face, http: httpx.AsyncClient) -> None:
    refused, _ = await face(http, 11)
    assert "must be a whole number from -10 to 10" in refused
    body: Any = {"agent_id": "holds", "input": {"seconds": 1.5}, "on_disconnect": "continue"}
    assert (await http.post("/runs", json=body)).status_code == 200
    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(face(http, priority)) for priority in (-5, 0, 10)]
    low, usual, high = [task.result()[1] for task in asked]
    assert high < usual < low
