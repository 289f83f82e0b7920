"""What tests of calling peers share: an engine whose agents call, and cards at addresses of their own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from dragoman.a2a.client import A2aPeers
from dragoman.agents.remote import RemoteMessage, Told
from dragoman.auth.egress import Egress
from dragoman.engine import Engine, EngineSettings
from dragoman.memory.model import Principal, Run
from dragoman.memory.sqlite import SqliteLedger

from .conftest import House

__all__ = ["HERE", "WHO", "asked", "caller", "cards", "ended", "interface", "told_of"]

HERE = Egress(["127.0.0.1"])
WHO = Principal("acme", "ada")


async def told_of(peers: A2aPeers, peer: str, message: RemoteMessage) -> list[Told]:
    """All that a peer tells of a message."""
    return [told async for told in peers.send(peer, message)]


@asynccontextmanager
async def caller(path: Path, *agents: Any, peers: A2aPeers | None = None, **settings: Any) -> AsyncGenerator[Engine]:
    """An engine of agents that call peers."""
    ledger = SqliteLedger(path)
    await ledger.open()
    try:
        async with Engine(ledger, agents, EngineSettings(**settings), peers=peers or A2aPeers([], HERE)) as engine:
            yield engine
    finally:
        await ledger.close()


async def ended(engine: Engine, who: Principal, run: Run) -> Run:
    """The run once it has ended; it may wait in between."""
    async with asyncio.timeout(20):
        async for _ in engine.subscribe(who, run.thread_id, 0, run.id, until_ended=True):
            pass
    return await engine.get(who, run.id)


def interface(version: str, **more: Any) -> dict[str, Any]:
    """An entry of a card's ``supportedInterfaces``; where nothing listens, unless it says otherwise."""
    return {"url": "http://127.0.0.1:9/a2a", "protocolBinding": "JSONRPC", "protocolVersion": version, **more}


@asynccontextmanager
async def cards(house: House, headers: list[Mapping[str, str]] | None = None, **changed: Any) -> AsyncGenerator[str]:
    """The card of ``echo`` with changes, at an address of its own; ``headers`` collects those of requests."""
    card = (await house.http.get("/a2a/echo/.well-known/agent-card.json")).json()
    card |= {"supportedInterfaces": [interface("1.0", url=f"{house.url}/a2a/echo")], **changed}

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        if headers is not None:
            headers.append(dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line))
        body = json.dumps(card).encode()
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%s" % (len(body), body))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/card.json"


async def asked(engine: Engine, run: Run) -> list[str]:
    """The keys of the questions that a run asks."""
    return [i.key for i in (await engine.view(WHO, run.id)).open_interrupts]
