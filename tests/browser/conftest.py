"""Headless Chromium over its own protocol (CDP), and a page in it that hosts the approval card of a real server."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import shutil
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from starlette.responses import HTMLResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from websockets.asyncio.client import ClientConnection, connect

from dragoman.agents import Agent
from dragoman.app import build_app
from dragoman.engine import Engine
from dragoman.settings import Settings

HOST = Path(__file__).with_name("host.html").read_text()
BINARIES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
UNTIL = """
new Promise((done) => {
  const look = () => { const value = %s; if (value) done(value); else setTimeout(look, 10); };
  look();
})
"""


def _binary() -> str:
    named = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BINARIES)), None)
    if named is None:
        pytest.skip("no Chromium here: install one, or say where it is by CHROMIUM")
    return named


class Cdp:
    """A connection to Chromium."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._ids = itertools.count(1)
        self._asked: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._hears: list[Callable[[str, dict[str, Any], str | None], None]] = []
        self._reading = asyncio.create_task(self._read())
        self._works: set[asyncio.Task[Any]] = set()

    async def send(self, method: str, session: str | None = None, **params: Any) -> dict[str, Any]:
        """A command's result. Raises ``AssertionError`` with Chromium's reason."""
        id = next(self._ids)
        asked = self._asked[id] = asyncio.get_running_loop().create_future()
        message = {"id": id, "method": method, "params": params, **({"sessionId": session} if session else {})}
        await self._socket.send(json.dumps(message))
        answer = await asked
        assert "error" not in answer, f"{method}: {answer['error']['message']}"
        result: dict[str, Any] = answer["result"]
        return result

    def hear(self, hears: Callable[[str, dict[str, Any], str | None], None]) -> None:
        """Call with each event: its name, its parameters and its session."""
        self._hears.append(hears)

    def later(self, work: Any) -> None:
        """Do what an event asks for, beside reading."""
        task = asyncio.ensure_future(work)
        self._works.add(task)
        task.add_done_callback(self._works.discard)

    async def _read(self) -> None:
        async for raw in self._socket:
            message = json.loads(raw)
            if "id" in message:
                asked = self._asked.pop(message["id"], None)
                if asked is not None and not asked.done():
                    asked.set_result(message)
                continue
            for hears in self._hears:
                hears(message["method"], message["params"], message.get("sessionId"))

    async def close(self) -> None:
        """End the connection."""
        self._reading.cancel()
        await asyncio.gather(self._reading, *self._works, return_exceptions=True)


class Page:
    """A page, with the card in a frame of it. ``requests`` are the URLs of all that page and frames asked for."""

    def __init__(self, cdp: Cdp, engine: Engine) -> None:
        self.engine = engine
        self.requests: list[str] = []
        self._cdp = cdp
        self._session = ""
        self._main = ""
        self._card: tuple[str, int] | None = None  # session, execution context
        self._card_is_there = asyncio.Event()
        cdp.hear(self._heard)

    async def open(self, url: str) -> None:
        """Load a page."""
        target = (await self._cdp.send("Target.createTarget", url="about:blank"))["targetId"]
        self._session = (await self._cdp.send("Target.attachToTarget", targetId=target, flatten=True))["sessionId"]
        self._main = target
        await self._watch(self._session)
        await self._cdp.send("Page.enable", self._session)
        await self._cdp.send("Page.navigate", self._session, url=url)
        await self.until("typeof start === 'function'")

    async def _watch(self, session: str) -> None:
        # A frame of its own process is told of before it runs, so that nothing it asks for is missed.
        await self._cdp.send(
            "Target.setAutoAttach", session, autoAttach=True, waitForDebuggerOnStart=True, flatten=True
        )
        await self._cdp.send("Network.enable", session)
        await self._cdp.send("Runtime.enable", session)

    async def _attached(self, session: str) -> None:
        await self._watch(session)
        await self._cdp.send("Runtime.runIfWaitingForDebugger", session)

    def _heard(self, event: str, params: dict[str, Any], session: str | None) -> None:
        if event == "Target.attachedToTarget" and params["targetInfo"]["type"] == "iframe":
            self._cdp.later(self._attached(params["sessionId"]))
        elif event == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif event == "Runtime.executionContextCreated" and session is not None:
            context = params["context"]
            frame = context["auxData"]["frameId"]
            if context["auxData"]["isDefault"] and (session != self._session or frame != self._main):
                self._card = session, context["id"]
                self._card_is_there.set()

    # -- asking -------------------------------------------------------------------------------------------------------
    async def run(self, expression: str) -> Any:
        """The value of an expression in the host's page, awaited."""
        return await self._evaluate(expression, self._session)

    async def card(self, expression: str) -> Any:
        """The value of an expression in the card."""
        await self._card_is_there.wait()
        assert self._card is not None
        return await self._evaluate(expression, self._card[0], contextId=self._card[1])

    async def until(self, expression: str) -> Any:
        """The value of an expression in the host's page, once it is true."""
        return await self.run(UNTIL % expression)

    async def shows(self, text: str) -> str:
        """The card's text, once it holds this."""
        shown: str = await self.card(UNTIL % f"document.body.innerText.includes({json.dumps(text)})")
        assert shown
        whole: str = await self.card("document.body.innerText")
        return whole

    async def start(self, tool: str, arguments: dict[str, Any], context: dict[str, Any] | None = None) -> str:
        """Call a tool in the host, and show its card; the run's id."""
        given = ", ".join(json.dumps(value) for value in (tool, arguments, context or {"theme": "light"}))
        run_id: str = await self.run(f"start({given})")
        return run_id

    async def card_until(self, expression: str) -> None:
        """Wait until an expression is true in the card."""
        await self.card(UNTIL % expression)

    async def fill_when_shown(self, label: str, value: Any) -> None:
        """``fill``, once the field is there."""
        await self.card_until("document.querySelector('label') !== null")
        await self.fill(label, value)

    async def press(self, name: str) -> None:
        """Press a button of the card, once it is there."""
        found = (
            f"[...document.querySelectorAll('button')].find((b) => b.textContent === {json.dumps(name)} && !b.disabled)"
        )
        await self.card(f"({UNTIL % found}).then((button) => {{ button.click(); return true; }})")

    async def fill(self, label: str, value: Any) -> None:
        """Fill the field of the card that has this label."""
        await self.card(
            f"""(() => {{
              const label = [...document.querySelectorAll("label")]
                .find((l) => l.querySelector("span")?.textContent === {json.dumps(label)});
              const control = label.querySelector("input, select, textarea");
              if (control.type === "checkbox") control.checked = {json.dumps(value)};
              else if (control.tagName === "SELECT")
                control.value = [...control.options].find((o) => o.textContent === {json.dumps(str(value))}).value;
              else control.value = {json.dumps(str(value))};
            }})()"""
        )

    async def _evaluate(self, expression: str, session: str, **params: Any) -> Any:
        told = await self._cdp.send(
            "Runtime.evaluate",
            session,
            expression=expression,
            awaitPromise=True,
            returnByValue=True,
            **params,
        )
        if "exceptionDetails" in told:
            raise AssertionError(told["exceptionDetails"].get("exception", {}).get("description", told))
        return told["result"].get("value")


@asynccontextmanager
async def chromium(profile: Path) -> AsyncGenerator[Cdp]:
    process = await asyncio.create_subprocess_exec(
        _binary(),
        "--headless=new",
        "--no-sandbox",  # what is shown is ours, and the container has no user namespaces
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--disable-component-update",
        "--no-first-run",
        "--remote-debugging-port=0",
        f"--user-data-dir={profile}",
        "about:blank",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    try:
        while b"DevTools listening on " not in (line := await process.stderr.readline()):
            assert line, "Chromium ended before it was ready"
        drain = asyncio.create_task(process.stderr.read())
        address = line.decode().partition("listening on ")[2].strip()
        async with connect(address, max_size=None, ping_interval=None) as socket:
            cdp = Cdp(socket)
            yield cdp
            await cdp.close()
        process.kill()
        await drain
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


class _WithHost:
    """The server, with the host's page beside it: what it answers is as it answers anyone."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == "/host.html":
            await HTMLResponse(HOST)(scope, receive, send)
        else:
            await self._app(scope, receive, send)


Show = Callable[..., AbstractAsyncContextManager[Page]]


@pytest.fixture
def hosted(tmp_path: Path) -> Show:
    """``async with hosted(agent, ...) as page``: a server of the agents, and a host in a browser before it."""

    @asynccontextmanager
    async def start(*agents: Agent) -> AsyncGenerator[Page]:
        settings = Settings.model_validate({"storage": {"path": tmp_path / "ledger.db"}})
        app = build_app(settings, agents)
        async with asyncio.timeout(90), app.router.lifespan_context(app):
            server = uvicorn.Server(uvicorn.Config(_WithHost(app), log_config=None, lifespan="off"))
            listening = socket.create_server(("127.0.0.1", 0))
            serving = asyncio.create_task(server.serve(sockets=[listening]))
            origin = f"http://127.0.0.1:{listening.getsockname()[1]}"
            try:
                async with chromium(tmp_path / "profile") as cdp:
                    page = Page(cdp, app.state.engine)
                    await page.open(f"{origin}/host.html")
                    yield page
                assert [
                    url for url in page.requests if not url.startswith((f"{origin}/mcp", f"{origin}/host.html"))
                ] == []
            finally:
                server.should_exit = True
                await serving

    return start
