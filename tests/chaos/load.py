"""Clients that submit runs over the three faces to several replicas, and remember each one that was acknowledged.

A client that is not answered, or told to try again, sends the same again to another replica: with the id of its message
where the protocol has one. Any other refusal ends the test.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import httpx

from .clients import Clients

__all__ = ["Load"]

KINDS: Final = ["works"] * 5 + ["lingers"] * 2 + ["sleeps", "asks", "calls"]
_META: Final = "io.modelcontextprotocol/"
_MODERN: Final = "2026-07-28"
_PAUSE: Final = 0.05


class Load(Clients):
    """``clients`` at once, each on a replica of ``urls`` that it chooses anew every time; ``acknowledged`` has the kind
    of each run by its id, ``slowest`` how many seconds an answer took at most, ``told`` how often who was told what."""

    def __init__(
        self, urls: Sequence[str], chance: random.Random, clients: int = 10, kinds: Sequence[str] = KINDS
    ) -> None:
        super().__init__()
        self.urls = list(urls)
        self.acknowledged: dict[str, str] = {}
        self.told: Counter[str] = Counter()
        self.slowest = 0.0
        self._chance = chance
        self._clients = clients
        self._kinds = kinds
        self._threads = [f"00000000-0000-4000-8000-{n:012d}" for n in range(6)]
        self._number = 0

    async def __aenter__(self) -> Load:
        self._http = httpx.AsyncClient(timeout=60)
        self._tasks = [asyncio.create_task(self._client()) for _ in range(self._clients)]
        return self

    async def some_more(self, runs: int) -> None:
        """Return when this many more were acknowledged."""
        wanted = len(self.acknowledged) + runs
        async with asyncio.timeout(60):
            while len(self.acknowledged) < wanted:
                self.check()
                await asyncio.sleep(_PAUSE)  # what is waited for is other processes' doing

    def check(self) -> None:
        """Raise what has ended a client."""
        for task in self._tasks:
            if task.done() and not task.cancelled() and (error := task.exception()) is not None:
                raise error

    async def _client(self) -> None:
        faces = (self._agent_protocol, self._on_a_thread, self._a2a, self._mcp)
        while not self._stop.is_set():
            self._number += 1
            number, face, kind = self._number, self._chance.choice(faces), self._chance.choice(self._kinds)
            while (run_id := await self._try(face, kind, number)) is None:
                if self._stop.is_set():
                    return
                await asyncio.sleep(_PAUSE)
            if run_id:
                self.acknowledged[run_id] = kind
            await asyncio.sleep(self._chance.uniform(0.0, 0.2))  # a client's own pace

    async def _try(self, face: Any, kind: str, number: int) -> str | None:
        url = self._chance.choice(self.urls)
        began = time.monotonic()
        try:
            run_id: str | None = await face(url, kind, number)
        except httpx.TransportError as error:
            self.told[type(error).__name__] += 1
            return None
        self.slowest = max(self.slowest, time.monotonic() - began)
        return run_id

    def _again(self, face: str, status: int) -> str | None:
        self.told[f"{face}: try again ({status})"] += 1
        return None

    async def _agent_protocol(self, url: str, kind: str, number: int) -> str | None:
        body = {"agent_id": kind, "input": {"number": number}}
        return self._run_id(await self._http.post(f"{url}/runs", json=body))

    async def _on_a_thread(self, url: str, kind: str, number: int) -> str | None:
        """One of few threads, which take turns with their runs."""
        body = {"assistant_id": "works", "input": {"number": number}, "if_not_exists": "create"}
        thread = self._threads[number % len(self._threads)]
        answer = await self._http.post(f"{url}/threads/{thread}/runs", json={**body, "multitask_strategy": "enqueue"})
        return self._run_id(answer)

    def _run_id(self, answer: httpx.Response) -> str | None:
        if answer.status_code in (429, 503):
            assert int(answer.headers["retry-after"]) >= 1
            return self._again("agent protocol", answer.status_code)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["run_id"])

    async def _a2a(self, url: str, kind: str, number: int) -> str | None:
        message = {"messageId": f"chaos-{number}", "role": "ROLE_USER", "parts": [{"data": {"number": number}}]}
        params = {"message": message, "configuration": {"returnImmediately": True}}
        told = await self._rpc(f"{url}/a2a/{kind}", "SendMessage", params, {"A2A-Version": "1.0"})
        if "error" in told:
            details: list[Any] = told["error"]["data"]
            assert details[0]["reason"] in ("UNAVAILABLE", "QUEUE_FULL"), told
            assert any("retryDelay" in detail for detail in details), told
            return self._again("a2a", told["error"]["code"])
        return str(told["result"]["task"]["id"])

    async def _mcp(self, url: str, kind: str, number: int) -> str | None:
        meta: dict[str, Any] = {
            f"{_META}protocolVersion": _MODERN,
            f"{_META}clientCapabilities": {"extensions": {f"{_META}tasks": {}}},
        }
        headers = {
            "Accept": "application/json, text/event-stream",
            "MCP-Protocol-Version": _MODERN,
            "Mcp-Method": "tools/call",
            "Mcp-Name": kind,
        }
        params = {"name": kind, "arguments": {"number": number}, "_meta": meta}
        told = await self._rpc(f"{url}/mcp", "tools/call", params, headers)
        if "error" in told:
            assert told["error"]["code"] == -32603, told
            return self._again("mcp", told["error"]["code"])
        result = told["result"]
        if result.get("isError"):
            assert "Try again" in result["content"][0]["text"], told
            return self._again("mcp", 429)
        return str(result.get("taskId") or result["_meta"].get("dragoman/run", ""))

    async def _rpc(self, url: str, method: str, params: Any, headers: dict[str, str]) -> dict[str, Any]:
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        answer = await self._http.post(url, json=body, headers=headers)
        if "text/event-stream" in answer.headers.get("content-type", ""):
            data = [line[5:] for line in answer.text.splitlines() if line.startswith("data:") and line[5:].strip()]
            if not data:
                raise httpx.RemoteProtocolError("The stream ended without an answer.")
            answer = httpx.Response(200, text=data[-1])
        told: dict[str, Any] = answer.json()
        return told
