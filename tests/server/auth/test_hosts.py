"""Which Host and which Origin a server without keys answers to."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

import httpx
import pytest

from dragoman.auth import HostGate
from dragoman.auth.asgi import Receive, Scope, Send

pytestmark = pytest.mark.anyio


async def _ok(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ok"})


async def _status(gate: HostGate, **headers: str) -> int:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(gate), base_url="http://localhost") as client:
        return (await client.post("/mcp", headers=headers)).status_code


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.0.0.1:8000", "[::1]:8000", "LOCALHOST:1", "127.9.9.9"])
async def test_this_machines_own_names_are_answered(host: str) -> None:
    gate = HostGate(_ok)
    assert [await _status(gate, host=host) for _ in range(2)] == [200, 200]


@pytest.mark.parametrize(
    "host",
    ["localhost.evil.example", "evil.example:8000", "127.0.0.1.evil.example", "10.0.0.1", "", "localhost:x", "[::2]"],
)
async def test_any_other_name_is_refused(host: str) -> None:
    gate = HostGate(_ok)
    assert [await _status(gate, host=host) for _ in range(2)] == [400, 400]


async def _status_of(gate: HostGate, hosts: list[str], version: str = "1.1") -> int:
    """What a request with exactly these Host headers is answered."""
    told: list[MutableMapping[str, Any]] = []

    async def send(message: MutableMapping[str, Any]) -> None:
        told.append(message)

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": b""}

    headers = [(b"host", host.encode()) for host in hosts]
    await gate({"type": "http", "path": "/mcp", "http_version": version, "headers": headers}, receive, send)
    status: int = told[0]["status"]
    return status


@pytest.mark.parametrize("hosts", [["localhost", "evil.example"], ["localhost", "localhost"], []])
@pytest.mark.parametrize("allowed", [[], ["*"]])
async def test_a_request_that_names_its_host_twice_or_not_at_all_is_refused(
    hosts: list[str], allowed: list[str]
) -> None:
    gate = HostGate(_ok, allowed)
    assert await _status_of(gate, ["localhost"]) == 200
    assert await _status_of(gate, hosts) == 400


async def test_a_health_check_in_http_1_0_needs_no_host_where_any_is_answered() -> None:
    assert await _status_of(HostGate(_ok, ["*"]), [], "1.0") == 200
    assert await _status_of(HostGate(_ok), [], "1.0") == 400


@pytest.mark.requirement("http.origin")
@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://localhost.evil.example", "file://", "http://[", "x"]
)
async def test_a_web_page_of_elsewhere_is_refused(origin: str) -> None:
    assert await _status(HostGate(_ok), origin=origin) == 403


@pytest.mark.parametrize("origin", ["http://localhost:3000", "https://127.0.0.1", "http://[::1]:5173"])
async def test_a_web_page_of_this_machine_is_let_in(origin: str) -> None:
    assert await _status(HostGate(_ok), origin=origin) == 200


async def test_settings_allow_more() -> None:
    gate = HostGate(_ok, ["agents.example", "other.example:9000"], ["https://app.example/"])
    assert await _status(gate, host="agents.example:8000", origin="https://app.example") == 200
    assert await _status(gate, host="other.example:9000") == 200
    assert await _status(gate, host="other.example:9001") == 400
    assert await _status(gate, origin="http://app.example") == 403
    assert await _status(HostGate(_ok, ["*"], ["*"]), host="any.example", origin="https://any.example") == 200


async def test_a_flood_of_names_fills_no_memory() -> None:
    gate = HostGate(_ok, ["*"])
    for number in range(400):
        assert await _status(gate, host=f"a{number}.example") == 200
    assert len(gate._good) <= 256  # pyright: ignore[reportPrivateUsage]  # the bound is what is tested
