"""A chat in a browser with ``useStream`` of npm's ``@langchain/langgraph-sdk``, on an origin of its own: it streams, is
reloaded in the middle of a reply, and goes on without a gap."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from conformance.kept import kept
from conformance.node import node
from dragoman.agents import Context, agent
from dragoman.app import build_app
from dragoman.settings import Settings

from .conftest import Page, chromium

pytestmark = [pytest.mark.anyio, pytest.mark.browser, pytest.mark.timeout(600)]

SOURCE: Final = Path(__file__).with_name("use_stream.jsx")
INSTALLED: Final = Path(__file__).resolve().parents[2] / ".interop" / "use-stream"
PACKAGES: Final = ("@langchain/langgraph-sdk@1.11.0", "react@19.2.0", "react-dom@19.2.0", "esbuild@0.25.12")
WORDS: Final = [f"word{n}" for n in range(40)]


@agent(description="Says forty words, slowly, and asks whether that was enough.")
async def slow_talker(ctx: Context, text: str) -> str:
    for word in WORDS:
        await ctx.stream_text(f"{word} ")
        await asyncio.sleep(0.05)  # its work
    if text == "ask":
        return f"answered {await ctx.ask('Enough?', key='enough')}"
    return f"{' '.join(WORDS)} "


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The page's script, bundled."""
    runtime = node(600)
    with kept(INSTALLED, " ".join(PACKAGES)) as missing:
        if missing:
            (INSTALLED / "package.json").write_text('{"private": true}')
            quiet = ["--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(INSTALLED)]
            command = [*runtime.npm, "install", *quiet, *PACKAGES]
            subprocess.run(command, check=True, timeout=600, env=runtime.environment, stdin=subprocess.DEVNULL)
    made = tmp_path_factory.mktemp("bundle") / "page.js"
    esbuild = [str(runtime.executable), str(INSTALLED / "node_modules" / "esbuild" / "bin" / "esbuild")]
    options = ["--bundle", "--format=iife", "--jsx=automatic", "--log-level=error", f"--outfile={made}"]
    environment = {**runtime.environment, "NODE_PATH": str(INSTALLED / "node_modules")}
    subprocess.run([*esbuild, str(SOURCE), *options], check=True, timeout=120, env=environment)
    return made.read_bytes()


@asynccontextmanager
async def served(app: ASGIApp, listening: socket.socket) -> AsyncGenerator[str]:
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = server.force_exit = True
        await serving


def _page(script: bytes) -> Starlette:
    async def page(_: Any) -> Response:
        return HTMLResponse('<!doctype html><div id="root"></div><script src="/page.js"></script>')

    async def js(_: Any) -> Response:
        return Response(script, media_type="text/javascript")

    return Starlette(routes=[Route("/", page), Route("/page.js", js)])


@pytest.fixture
async def chat(script: bytes, tmp_path: Path) -> AsyncGenerator[Page]:
    """The page in a browser, and a server that lets its origin in."""
    site, api = (socket.create_server(("127.0.0.1", 0)) for _ in range(2))
    origin = f"http://127.0.0.1:{site.getsockname()[1]}"
    tables = {"storage": {"path": tmp_path / "ledger.db"}, "server": {"allowed_origins": [origin]}}
    app = build_app(Settings.model_validate(tables), [slow_talker])
    async with (
        asyncio.timeout(120),
        app.router.lifespan_context(app),
        served(_page(script), site) as page_url,
        served(app, api) as api_url,
        chromium(tmp_path / "profile") as cdp,
    ):
        page = Page(cdp, app.state.engine)
        await page.open(f"{page_url}/?api={api_url}")
        yield page


async def reload(page: Page) -> None:
    """Load the page again, and wait until it is another one."""
    await page.run("(() => { window.old = true; setTimeout(() => location.reload(), 0); })()")
    while True:
        with suppress(AssertionError):  # asked of the page that is being left
            if await page.run("window.old === undefined && typeof start === 'function'"):
                return
        await asyncio.sleep(0.02)  # a page that is not there yet has nothing to wait for


async def test_a_chat_that_is_reloaded_in_the_middle_of_a_reply_goes_on_without_a_gap(chat: Page) -> None:
    await chat.run("start('go')")
    await chat.until("window.chat.said.length > 1 && window.chat.said.at(-1).includes('word9 ')")
    before = await chat.run("window.shown")
    await reload(chat)
    await chat.until(
        "typeof start === 'function' && window.chat.said.length > 1 && window.chat.said.at(-1).includes('word12 ')"
    )
    assert await chat.run("window.chat.loading") is True
    await chat.until("!window.chat.loading")
    said = await chat.run("window.chat.said")
    whole = f"ai: {' '.join(WORDS)} "
    assert said == ["human: go", whole]
    replies = [s for s in [*before, *await chat.run("window.shown")] if s.startswith("ai: ")]
    assert all(whole.startswith(reply) for reply in replies), json.dumps(replies[-5:])
    assert len(set(replies)) > 10


async def test_a_question_is_shown_and_answered_after_a_reload_too(chat: Page) -> None:
    await chat.run("start('ask')")
    await chat.until("window.chat.asked === 'Enough?'")
    await reload(chat)
    await chat.until("window.chat.asked === 'Enough?'")
    await chat.run("answer('yes')")
    await chat.until("window.chat.said.at(-1) === 'ai: answered yes' && !window.chat.loading")
