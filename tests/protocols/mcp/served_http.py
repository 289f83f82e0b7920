"""Run as a script, it serves over HTTP from the ledger file that it is given, and prints its
address: a server that tests kill. A second argument is the port."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any

import uvicorn
from starlette.applications import Starlette

from dragoman.agents import Catalog, Context, agent, tool


@agent
async def patient(ctx: Context, seconds: float) -> str:
    """Take its time, telling how far it is."""
    await ctx.progress(1, 2, "begun")
    await asyncio.sleep(seconds)
    await ctx.progress(2, 2, "almost")
    return "at last"


@tool
async def plainly(seconds: float) -> str:
    """Take its time, within the request."""
    await asyncio.sleep(seconds)
    return "plainly"


@contextmanager
def a_process(ledger: Path, port: int = 0) -> Generator[tuple[Popen[str], str]]:
    """A server process and its address; it is killed at the end."""
    with Popen([sys.executable, __file__, str(ledger), str(port)], stdout=PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


async def main(ledger_path: str, port: int) -> None:
    """Serve until the process is killed."""
    from dragoman.engine import Engine
    from dragoman.mcp import McpSettings
    from dragoman.mcp.routes import routes
    from dragoman.memory.model import Principal
    from dragoman.memory.sqlite import SqliteLedger

    ledger = SqliteLedger(ledger_path)
    engine = Engine(ledger, [patient])
    settings = McpSettings(state_key=b"k" * 32, version="1.0.0", inline_wait=0.2)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        await ledger.open()
        async with engine:
            yield
        await ledger.close()

    app = Starlette(routes=routes(engine, settings, Catalog(plainly)), lifespan=lifespan)

    async def authenticated(scope: Any, receive: Any, send: Any) -> None:
        scope["dragoman.principal"] = Principal("acme", "ada")
        await app(scope, receive, send)

    listening = socket.create_server(("127.0.0.1", port))
    print(f"http://127.0.0.1:{listening.getsockname()[1]}/mcp", flush=True)
    await uvicorn.Server(uvicorn.Config(authenticated, log_config=None)).serve(sockets=[listening])


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
