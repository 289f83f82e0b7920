"""Calling peers, with a real server of agents as the peer: every binding and version, and the trace that goes along."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from dragoman.a2a import A2aSettings
from dragoman.a2a.client import A2aPeers
from dragoman.a2a.client_settings import PeerSettings
from dragoman.a2a.grpc_server import serve_grpc
from dragoman.agents import Context, RemoteFailed, RemoteUnreachable, RemoteUnusable, agent
from dragoman.agents.remote import RemoteMessage
from dragoman.engine import RunRequest
from dragoman.memory.model import Principal, Run
from dragoman.telemetry.context import start_trace, traceparent

from .calling import HERE, WHO, caller, cards, ended, interface, told_of
from .conftest import House, Open
from .process import free_port
from .served import counts, echo, refunds

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("binding", ["JSONRPC", "HTTP+JSON", "GRPC"])
async def test_every_binding_tells_the_same(open_house: Open, binding: Any) -> None:
    port = free_port()
    settings = A2aSettings(grpc_port=port)
    async with open_house(counts, settings=settings, real=True) as house, _grpc(house, settings):
        peers = A2aPeers([PeerSettings("counts", f"{house.url}/a2a/counts", binding=binding)], HERE)
        told = await told_of(peers, "counts", RemoteMessage("m1", data={"upto": 3}))
        again = await told_of(peers, "counts", RemoteMessage("m1", data={"upto": 3}))
        assert await house.runs() == 1
    last = told[-1].task
    assert "".join(t.text for t in told if not t.again) == "0 1 2 "
    assert (last.state, last.ended) == ("succeeded", True)
    by_name = {f.name: f.data for a in last.artifacts for f in a.files}
    assert by_name == {"list.txt": b"1 2 3", "list.json": b"[1,2.5]", "list.bin": b"\x00\xff"}
    assert next(a.data for a in last.artifacts if a.data is not None) == {"upto": 3, "share": 0.5, "exact": 2**40}
    assert again[-1].task.id == last.id


@asynccontextmanager
async def _grpc(house: House, settings: A2aSettings) -> AsyncGenerator[None]:
    async def local(headers: object) -> Principal:
        return house.caller

    async with serve_grpc(house.engine, settings, local, host="127.0.0.1"):
        yield


async def test_a_version_that_is_not_spoken_here_is_refused_by_name(open_house: Open) -> None:
    async with open_house(echo, real=True) as house, cards(house, supportedInterfaces=[interface("2.0")]) as url:
        with pytest.raises(RemoteUnusable, match=r"of 1\.0 or 0\.3; its card has JSONRPC 2\.0"):
            await told_of(A2aPeers([], HERE), url, RemoteMessage("m1", "hi"))


async def test_1_0_is_chosen_before_0_3_whatever_the_card_names_first(open_house: Open) -> None:
    async with open_house(echo, real=True) as house:
        there = f"{house.url}/a2a/echo"
        first = [{**interface("0.3"), "url": "http://127.0.0.1:9/none"}, {**interface("1.0.2"), "url": there}]
        async with cards(house, supportedInterfaces=first) as url:
            told = await told_of(A2aPeers([], HERE), url, RemoteMessage("m1", "hi"))
    assert told[-1].task.text == "you said hi"


@pytest.mark.parametrize(
    ("peer", "told"),
    [
        ("nobody", "no name under [peers]; there are: none"),
        ("http://127.0.0.1:9/nowhere", "cannot be reached"),
        ("{house}/a2a/nobody", "HTTP 404"),
        ("{house}/a2a/echo/.well-known/agent-card.json?", ""),
    ],
)
async def test_what_is_no_peer_is_told(open_house: Open, peer: str, told: str) -> None:
    async with open_house(echo, real=True) as house:
        peers = A2aPeers([], HERE)
        url = peer.replace("{house}", house.url)
        if not told:
            assert (await told_of(peers, url, RemoteMessage("m", "x")))[-1].task.text == "you said x"
            return
        with pytest.raises(RemoteUnreachable if "reached" in told else RemoteUnusable) as caught:
            await told_of(peers, url, RemoteMessage("m", "x"))
    assert told in caught.value.message


async def test_the_trace_goes_along(open_house: Open) -> None:
    seen: list[Mapping[str, str]] = []
    trace = start_trace(b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
    async with (
        open_house(echo, real=True) as house,
        _answering(seen) as url,
        cards(house, supportedInterfaces=[interface("1.0", url=url)]) as card,
    ):
        with pytest.raises(RemoteFailed):
            await told_of(A2aPeers([], HERE), card, RemoteMessage("m", "x"))
    parent = {name.lower(): value for name, value in seen[-1].items()}["traceparent"]
    assert parent.split("-")[1] == trace
    assert parent.split("-")[2] != "b7ad6b7169203331"


async def test_the_trace_goes_on_after_a_restart(
    open_house: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []

    def noted() -> str:
        sent.append(traceparent())
        return sent[-1]

    monkeypatch.setattr("dragoman.a2a.client_calls.traceparent", noted)
    async with open_house(refunds, real=True) as house:

        @agent
        async def passes(ctx: Context) -> Any:
            return (await ctx.remote(f"{house.url}/a2a/refunds", {"order": "o", "amount": 5}, key="far")).data

        async def begun() -> tuple[str, Run]:
            trace = start_trace(None)
            async with caller(tmp_path / "caller.db", passes) as engine:
                return trace, await engine.run(WHO, RunRequest("passes"))

        async def gone_on(run: Run) -> None:
            async with caller(tmp_path / "caller.db", passes) as engine:
                await engine.answer(WHO, run.id, {"far/approval": {"approved": True}})
                await ended(engine, WHO, run)

        trace, run = await asyncio.create_task(begun(), context=contextvars.Context())
        before = len(sent)
        await asyncio.create_task(gone_on(run), context=contextvars.Context())
    assert before
    assert len(sent) > before
    assert {parent.split("-")[1] for parent in sent} == {trace}


@asynccontextmanager
async def _answering(seen: list[Mapping[str, str]]) -> AsyncGenerator[str]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        seen.append(dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line))
        body = b"{}"
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n" + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/a2a"
