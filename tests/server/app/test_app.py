"""The composed application, in this process: its health, its gates in their order, its errors, its lifespan."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dragoman.agents import Context, agent
from dragoman.agents.errors import ConfigurationError
from dragoman.app import build_app
from dragoman.auth import make_key
from dragoman.engine import Engine
from dragoman.memory.errors import LedgerLocked
from dragoman.memory.sqlite import SqliteLedger
from dragoman.settings import Settings

pytestmark = pytest.mark.anyio


@agent
async def greeter(ctx: Context, name: str) -> str:
    """Greets."""
    return f"Hello, {name}!"


def _settings(folder: Path, **tables: Any) -> Settings:
    return Settings.model_validate({"storage": {"path": folder / "state" / "ledger.db"}, **tables})


@asynccontextmanager
async def _served(app: Starlette, **headers: str) -> AsyncGenerator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        asyncio.timeout(20),
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=headers) as client,
    ):
        yield client


async def test_a_run_is_started_over_one_face_and_seen_over_another(tmp_path: Path) -> None:
    async with _served(build_app(_settings(tmp_path), [greeter])) as client:
        done = (await client.post("/runs/wait", json={"agent_id": "greeter", "input": {"name": "Ada"}})).json()
        assert done["values"]["output"] == "Hello, Ada!"
        get = {"jsonrpc": "2.0", "id": 1, "method": "GetTask", "params": {"id": done["run"]["run_id"]}}
        answer = await client.post("/a2a/greeter", json=get, headers={"a2a-version": "1.0"})
        assert answer.json()["result"]["status"]["state"] == "TASK_STATE_COMPLETED"
        call = {"name": "greeter", "arguments": {"name": "Bo"}}
        tool = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}
        headers = {"accept": "application/json, text/event-stream", "mcp-protocol-version": "2025-06-18"}
        assert "Hello, Bo!" in (await client.post("/mcp", json=tool, headers=headers)).text


async def test_readiness_follows_the_engine_and_the_ledger_and_liveness_does_not(tmp_path: Path) -> None:
    app = build_app(_settings(tmp_path), [greeter])
    async with _served(app) as client:
        assert (await client.get("/readyz")).json() == {"ready": True}
        engine: Engine = app.state.engine
        await engine.stop()
        stopping = await client.get("/readyz")
        assert (stopping.status_code, stopping.json()) == (503, {"ready": False, "reason": "The server is stopping."})
        await app.state.ledger.close()
        closed = await client.get("/readyz")
        assert (closed.status_code, closed.json()["reason"]) == (503, "The ledger is closed.")
        assert [(await client.get(path)).status_code for path in ("/ok", "/healthz")] == [200, 200]


async def test_the_lifespan_leaves_the_ledger_to_the_next(tmp_path: Path) -> None:
    for _ in range(2):
        async with _served(build_app(_settings(tmp_path), [greeter])) as client:
            assert (await client.get("/readyz")).status_code == 200


async def test_a_ledger_that_is_open_elsewhere_is_refused(tmp_path: Path) -> None:
    settings = _settings(tmp_path)
    async with _served(build_app(settings, [greeter])):
        other = build_app(settings, [greeter], SqliteLedger(settings.storage_path))
        with pytest.raises(LedgerLocked, match="is open in process"):
            async with other.router.lifespan_context(other):
                pass


async def test_the_gates_ask_first_by_what_name_then_who_then_how_much(tmp_path: Path) -> None:
    tables = {"auth": {"mode": "keys"}, "server": {"allowed_hosts": ["localhost"], "body_limit": 100}}
    app = build_app(_settings(tmp_path, **tables), [greeter])
    row, key, digest = make_key("default", "ada")
    async with _served(app) as client:
        await app.state.ledger.add_key(row, digest)
        big = b"x" * 101
        for headers, status in (
            ({"host": "evil.example"}, 400),
            ({}, 401),
            ({"x-api-key": "dg_x"}, 401),
            ({"x-api-key": key}, 413),
        ):
            assert (await client.post("/runs", content=big, headers=headers)).status_code == status
        assert (await client.post("/runs/search", json={}, headers={"x-api-key": key})).status_code == 200


async def test_a_page_of_an_allowed_origin_may_ask_and_read(tmp_path: Path) -> None:
    tables = {"server": {"allowed_origins": ["https://app.example"]}, "auth": {"mode": "keys"}}
    async with _served(build_app(_settings(tmp_path, **tables), [greeter]), origin="https://app.example") as client:
        asks = {"access-control-request-method": "POST", "access-control-request-headers": "x-api-key"}
        preflight = await client.options("/mcp", headers=asks)
        assert (preflight.status_code, preflight.headers["access-control-allow-origin"]) == (200, "https://app.example")
        assert (await client.post("/mcp")).headers["access-control-allow-origin"] == "https://app.example"
        assert (await client.post("/mcp", headers={"origin": "https://evil.example"})).status_code == 403


async def test_the_public_address_is_answered_and_told(tmp_path: Path) -> None:
    tables = {"server": {"public_url": "https://agents.example"}}
    async with _served(build_app(_settings(tmp_path, **tables), [greeter]), host="agents.example") as client:
        card = (await client.get("/.well-known/agent-card.json")).json()
        assert card["supportedInterfaces"][0]["url"].startswith("https://agents.example/a2a/greeter")
        assert (await client.get("/ok", headers={"host": "other.example"})).status_code == 400


async def test_a_card_says_that_keys_are_asked_for(tmp_path: Path) -> None:
    async with _served(build_app(_settings(tmp_path, auth={"mode": "keys"}), [greeter])) as client:
        card = (await client.get("/a2a/greeter/.well-known/agent-card.json")).json()
    assert set(card["securitySchemes"]) == {"bearer", "apiKey"}


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/nothing", 404), ("PUT", "/ok", 405)])
async def test_what_no_face_serves_is_told_in_json(tmp_path: Path, method: str, path: str, status: int) -> None:
    async with _served(build_app(_settings(tmp_path), [greeter])) as client:
        answer = await client.request(method, path)
    assert answer.status_code == status
    assert answer.json()["message"] == answer.json()["detail"]
    assert path in answer.json()["message"]


async def test_an_error_that_nobody_expected_is_told_by_its_trace_and_no_more(tmp_path: Path) -> None:
    async def fails(request: Request) -> Response:
        raise RuntimeError("secret detail")

    app = build_app(_settings(tmp_path), [greeter])
    app.router.routes.append(Route("/fails", fails))
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    async with _served(app, traceparent=f"00-{trace}-00f067aa0ba902b7-01") as client:
        answer = await client.get("/fails")
    assert (answer.status_code, trace in answer.json()["message"]) == (500, True)
    assert "secret" not in answer.text


async def test_other_machines_are_not_served_without_keys(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="nobody is asked for a key"):
        build_app(_settings(tmp_path, server={"host": "0.0.0.0"}), [greeter])
    assert not (tmp_path / "state").exists()


async def test_what_is_kept_is_in_a_folder_of_its_owner_alone(tmp_path: Path) -> None:
    async with _served(build_app(_settings(tmp_path), [greeter])):
        state = tmp_path / "state"
        assert state.stat().st_mode & 0o077 == 0
        assert (state / "ledger.db.key").stat().st_mode & 0o077 == 0
