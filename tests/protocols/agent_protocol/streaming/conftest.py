"""The whole app over a real file, behind uvicorn on loopback, with agents that have something to stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from langgraph_sdk import get_client
from langgraph_sdk.client import LangGraphClient
from tests.loopback import serving as loopback

from dragoman.app import build_app
from dragoman.engine import Engine
from dragoman.settings import Settings

from .agents import AGENTS


class Served(NamedTuple):
    """A server: its address and its engine."""

    url: str
    engine: Engine


Serve = Callable[..., AbstractAsyncContextManager[Served]]


@pytest.fixture
def serving(tmp_path: Path) -> Serve:
    """``async with serving(engine={...}) as served``: a server with these settings."""

    @asynccontextmanager
    async def start(**tables: Any) -> AsyncGenerator[Served]:
        settings = Settings.model_validate({"storage": {"path": tmp_path / "ledger.db"}, **tables})
        app = build_app(settings, AGENTS)
        async with (
            app.router.lifespan_context(app),
            loopback(app, ws="websockets-sansio", abrupt=True) as there,
        ):
            yield Served(there.url, app.state.engine)

    return start


@pytest.fixture
async def server(serving: Serve) -> AsyncGenerator[Served]:
    async with asyncio.timeout(60), serving() as served:
        yield served


@pytest.fixture
async def sdk(server: Served) -> AsyncGenerator[LangGraphClient]:
    async with get_client(url=server.url) as client:
        yield client


@pytest.fixture
async def http(server: Served) -> AsyncGenerator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=server.url, timeout=20) as client:
        yield client
