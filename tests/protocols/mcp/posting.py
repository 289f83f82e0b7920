"""Requests of both eras over HTTP by hand, with the headers that go with them, and what a stream's text holds."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import httpx

__all__ = ["BOTH", "META", "MODERN", "Start", "call_of", "events_in", "headers_of", "in_session", "message"]

Start = Callable[..., AbstractAsyncContextManager[Any]]
META = "io.modelcontextprotocol/"
MODERN = "2026-07-28"
BOTH = "application/json, text/event-stream"


def message(method: str, params: Mapping[str, Any] | None = None, *, id: int | None = 1, **capabilities: Any) -> Any:
    stamped = {META + "protocolVersion": MODERN, META + "clientCapabilities": capabilities}
    body: dict[str, Any] = {"jsonrpc": "2.0", "method": method, "params": {**(params or {}), "_meta": stamped}}
    return body if id is None else {**body, "id": id}


def headers_of(method: str, name: str | None = None, **more: str) -> dict[str, str]:
    told = {"mcp-protocol-version": MODERN, "mcp-method": method, "accept": BOTH, **more}
    return told if name is None else {**told, "mcp-name": name}


def call_of(name: str, **arguments: Any) -> tuple[dict[str, Any], dict[str, str]]:
    return message("tools/call", {"name": name, "arguments": arguments}), headers_of("tools/call", name)


def events_in(text: str) -> list[dict[str, Any]]:
    return [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: {")]


@asynccontextmanager
async def in_session(url: str, **capabilities: Any) -> AsyncGenerator[httpx.AsyncClient]:
    """A client of the older era whose requests are of a session."""
    async with httpx.AsyncClient(base_url=url, headers={"accept": BOTH}, timeout=20) as client:
        params = {
            "protocolVersion": "2025-11-25",
            "capabilities": capabilities,
            "clientInfo": {"name": "t", "version": "0"},
        }
        opened = await client.post("", json={"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params})
        assert opened.status_code == 200
        client.headers["mcp-session-id"] = opened.headers["mcp-session-id"]
        client.headers["mcp-protocol-version"] = "2025-11-25"
        noted = await client.post("", json={"jsonrpc": "2.0", "method": "notifications/initialized"})
        assert (noted.status_code, noted.content) == (202, b"")
        yield client
