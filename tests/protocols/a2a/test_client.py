"""Calling peers, with a real server of agents as the peer: every binding and version, cards and their signatures,
credentials, where may be called, and what a run does while a peer works."""

from __future__ import annotations

import asyncio
import contextvars
import json
import socket
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from dragoman.a2a import A2aSettings, keyfile
from dragoman.a2a.client import A2aPeers
from dragoman.a2a.client_settings import PeerSettings
from dragoman.a2a.grpc_server import serve_grpc
from dragoman.agents import (
    Context,
    Rejected,
    RemoteFailed,
    RemoteRejected,
    RemoteResult,
    RemoteUnreachable,
    RemoteUnusable,
    StepTimeout,
    agent,
)
from dragoman.agents.remote import RemoteMessage, Told
from dragoman.auth.egress import Egress
from dragoman.engine import Engine, EngineSettings, RunRequest
from dragoman.memory.model import InterruptKind, InterruptStatus, Principal, Run, RunStatus
from dragoman.memory.sqlite import SqliteLedger
from dragoman.telemetry.context import start_trace, traceparent

from .conftest import House, Open
from .served import asks_twice, echo, refunds, works

pytestmark = pytest.mark.anyio

HERE = Egress(["127.0.0.1"])


@agent
async def counts(ctx: Context, upto: int, share: float = 0.5) -> dict[str, Any]:
    for n in range(upto):
        await ctx.stream_text(f"{n} ")
    await ctx.artifact("list.txt", "1 2 3")
    await ctx.artifact("list.json", [1, 2.5])
    await ctx.artifact("list.bin", b"\x00\xff")
    return {"upto": upto, "share": share, "exact": 2**40}


@agent
async def refuses(ctx: Context) -> str:
    raise Rejected("not my desk")


@agent
async def breaks(ctx: Context) -> str:
    raise ValueError("broken")


async def told_of(peers: A2aPeers, peer: str, message: RemoteMessage) -> list[Told]:
    return [told async for told in peers.send(peer, message)]


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port: int = s.getsockname()[1]
        return port


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


WHO = Principal("acme", "ada")


# -- bindings and versions --------------------------------------------------------------------------------------------
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
    async with open_house(echo, real=True) as house, _cards(house, supportedInterfaces=[_interface("2.0")]) as url:
        with pytest.raises(RemoteUnusable, match=r"of 1\.0 or 0\.3; its card has JSONRPC 2\.0"):
            await told_of(A2aPeers([], HERE), url, RemoteMessage("m1", "hi"))


async def test_1_0_is_chosen_before_0_3_whatever_the_card_names_first(open_house: Open) -> None:
    async with open_house(echo, real=True) as house:
        there = f"{house.url}/a2a/echo"
        first = [{**_interface("0.3"), "url": "http://127.0.0.1:9/none"}, {**_interface("1.0.2"), "url": there}]
        async with _cards(house, supportedInterfaces=first) as url:
            told = await told_of(A2aPeers([], HERE), url, RemoteMessage("m1", "hi"))
    assert told[-1].task.text == "you said hi"


# -- cards and where they lead ----------------------------------------------------------------------------------------
def _interface(version: str, **more: Any) -> dict[str, Any]:
    return {"url": "http://127.0.0.1:9/a2a", "protocolBinding": "JSONRPC", "protocolVersion": version, **more}


@asynccontextmanager
async def _cards(house: House, headers: list[Mapping[str, str]] | None = None, **changed: Any) -> AsyncGenerator[str]:
    """The card of ``echo`` with changes, at an address of its own; ``headers`` collects those of requests."""
    card = (await house.http.get("/a2a/echo/.well-known/agent-card.json")).json()
    card |= {"supportedInterfaces": [_interface("1.0", url=f"{house.url}/a2a/echo")], **changed}

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


def _keys(path: Path) -> list[dict[str, Any]]:
    return [keyfile.public_half(key) for key in keyfile.load(path)]


async def test_a_card_is_called_when_a_known_key_signed_it_and_not_otherwise(open_house: Open, tmp_path: Path) -> None:
    signing, other = tmp_path / "keys.json", tmp_path / "other.json"
    async with open_house(echo, settings=A2aSettings(signing_key=signing), real=True) as house:
        url = f"{house.url}/a2a/echo"

        async def calls(**more: Any) -> str:
            peers = A2aPeers([PeerSettings("peer", url, **more)], HERE)
            return (await told_of(peers, url, RemoteMessage("m1", "hi")))[-1].task.text

        assert await calls(keys=_keys(signing)) == "you said hi"
        assert await calls(keys_url=f"{house.url}/.well-known/jwks.json") == "you said hi"
        with pytest.raises(RemoteUnusable, match=r"has no signature by a key that \[peers\] peer names"):
            await calls(keys=_keys(other))
        keyfile.rotate(other)
        with pytest.raises(RemoteUnusable, match="has no signature by a key"):
            await calls(keys=[{**key, "kid": _keys(signing)[0]["kid"]} for key in _keys(other)])
        assert await house.runs() == 1
    async with open_house(echo, real=True) as house:
        url = f"{house.url}/a2a/echo"
        with pytest.raises(RemoteUnusable, match="is not signed, and must be by a key that"):
            await calls(keys=_keys(signing))


async def test_a_card_that_was_changed_after_it_was_signed_is_not_called(open_house: Open, tmp_path: Path) -> None:
    signing = tmp_path / "keys.json"
    signed = A2aSettings(signing_key=signing)
    async with open_house(echo, settings=signed, real=True) as house, _cards(house, name="Someone else") as url:
        peers = A2aPeers([PeerSettings("p", url, keys=_keys(signing))], HERE)
        with pytest.raises(RemoteUnusable, match="has no signature by a key"):
            await told_of(peers, "p", RemoteMessage("m", "x"))


async def test_a_credential_goes_to_the_peer_and_to_no_other_host(open_house: Open) -> None:
    seen: list[Mapping[str, str]] = []
    bearer = {"Authorization": "Bearer s3cret"}
    async with open_house(echo, real=True) as house, _cards(house, seen) as url:
        peers = A2aPeers([PeerSettings("p", url, headers=bearer)], HERE)
        await told_of(peers, url, RemoteMessage("m", "x"))
        assert seen[-1]["authorization" if "authorization" in seen[-1] else "Authorization"] == "Bearer s3cret"
        elsewhere = [_interface("1.0", url="http://elsewhere.example/a2a")]
        async with _cards(house, supportedInterfaces=elsewhere) as other:
            peers = A2aPeers([PeerSettings("p", other, headers=bearer)], HERE)
            with pytest.raises(RemoteUnusable, match=r"another host \(elsewhere\.example\)") as caught:
                await told_of(peers, other, RemoteMessage("m", "x"))
    assert "s3cret" not in str(caught.value) + repr(peers._peers)  # pyright: ignore[reportPrivateUsage]


async def test_an_address_inside_is_not_called_unless_the_operator_allows_it(open_house: Open) -> None:
    async with open_house(echo, real=True) as house:
        with pytest.raises(RemoteUnusable, match=r"not public .* \[egress\] allow"):
            await told_of(A2aPeers([], Egress()), f"{house.url}/a2a/echo", RemoteMessage("m", "x"))
        inside = [_interface("1.0", url="http://169.254.169.254/latest")]
        async with _cards(house, supportedInterfaces=inside) as url:
            with pytest.raises(RemoteUnusable, match="not public"):
                await told_of(A2aPeers([], HERE), url, RemoteMessage("m", "x"))


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


# -- as a step --------------------------------------------------------------------------------------------------------
async def test_several_questions_of_a_peer_are_answered_one_by_one_and_handed_down_together(
    open_house: Open, tmp_path: Path
) -> None:
    async with open_house(asks_twice, real=True) as house:

        @agent
        async def passes(ctx: Context) -> str:
            return (await ctx.remote(f"{house.url}/a2a/asks_twice", key="far")).text

        async with caller(tmp_path / "caller.db", passes) as engine:
            run = await engine.run(WHO, RunRequest("passes"))
            assert await asked(engine, run) == ["far/first", "far/second"]
            await engine.answer(WHO, run.id, {"far/second": "two"})
            run = await engine.wait(WHO, run.id, 10)
            assert await asked(engine, run) == ["far/first"]
            await engine.answer(WHO, run.id, {"far/first": "one"})
            run = await ended(engine, WHO, run)
        assert run.output == "one two"


async def asked(engine: Engine, run: Run) -> list[str]:
    return [i.key for i in (await engine.view(WHO, run.id)).open_interrupts]


@agent
async def asks_again(ctx: Context) -> str:
    first = await ctx.interrupt("Token?", kind=InterruptKind.AUTH, key="auth")
    second = await ctx.ask(f"And after {first}?", key="more")
    return f"{first} {second}"


async def test_one_question_of_a_peer_after_another_through_restarts_of_ours(open_house: Open, tmp_path: Path) -> None:
    async with open_house(asks_again, real=True) as house:

        @agent
        async def passes(ctx: Context) -> str:
            return (await ctx.remote(f"{house.url}/a2a/asks_again", key="far")).text

        async with caller(tmp_path / "caller.db", passes) as engine:
            run = await engine.run(WHO, RunRequest("passes"))
            (question,) = (await engine.view(WHO, run.id)).open_interrupts
            assert (question.key, question.kind) == ("far/auth", InterruptKind.AUTH)
        async with caller(tmp_path / "caller.db", passes) as engine:
            await engine.answer(WHO, run.id, {"far/auth": "t0ken"})
            run = await engine.wait(WHO, run.id, 10)
            (question,) = (await engine.view(WHO, run.id)).open_interrupts
            assert (question.key, question.message) == ("far/more", "And after t0ken?")
        async with caller(tmp_path / "caller.db", passes) as engine:
            await engine.answer(WHO, run.id, {"far/more": "more"})
            run = await ended(engine, WHO, run)
        assert run.output == "t0ken more"


async def test_who_answers_the_peer_itself_answers_for_us_too(
    open_house: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dragoman.engine.remote_questions._ASKING_WAIT", (0.2, 0.2))
    async with open_house(refunds, real=True) as house:

        @agent
        async def passes(ctx: Context) -> Any:
            return (await ctx.remote(f"{house.url}/a2a/refunds", {"order": "o", "amount": 5}, key="far")).data

        async with caller(tmp_path / "caller.db", passes) as engine:
            run = await engine.run(WHO, RunRequest("passes"))
            assert run.status is RunStatus.WAITING
            (there,) = (await house.engine.list_runs(house.caller)).items
            await house.engine.answer(house.caller, there.run.id, {"approval": {"approved": True}})
            run = await ended(engine, WHO, run)
            (question,) = (await engine.view(WHO, run.id)).interrupts
        assert run.output == {"order": "o", "paid": 5}
        assert question.status is InterruptStatus.WITHDRAWN


async def test_a_result_is_journaled_and_its_failures_are_of_their_class(open_house: Open, tmp_path: Path) -> None:
    async with open_house(counts, refuses, breaks, real=True) as house:
        at = f"{house.url}/a2a"

        @agent
        async def asks(ctx: Context) -> dict[str, Any]:
            got: RemoteResult = await ctx.remote(f"{at}/counts", {"upto": 2})
            caught: list[str] = []
            for name in ("refuses", "breaks"):
                try:
                    await ctx.remote(f"{at}/{name}")
                except RemoteRejected as error:
                    caught.append(f"rejected {error.message}")
                except RemoteFailed as error:
                    caught.append(f"failed {error.message}")
            first = await ctx.ask("Go on?") if ctx.attempt == 1 else "replayed"
            return {"text": got.text, "data": got.data, "caught": caught, "first": first}

        async with caller(tmp_path / "caller.db", asks) as engine:
            run = await engine.run(WHO, RunRequest("asks"))
            assert run.status is RunStatus.WAITING, run.failure
            await engine.answer(WHO, run.id, {"input": "yes"})
            run = await ended(engine, WHO, run)
        assert await house.runs() == 3
    assert run.output["data"] == {"upto": 2, "share": 0.5, "exact": 2**40}
    assert run.output["caught"] == [
        f"rejected {at}/refuses refused: not my desk",
        f"failed The task at {at}/breaks failed: broken",
    ]


class Breaking(A2aPeers):
    """Loses the line when the peer has taken a message and nothing was heard of it: the ``nth`` time."""

    def __init__(self, nth: int) -> None:
        super().__init__([], HERE)
        self.sent: list[str] = []
        self._nth = nth

    async def send(self, peer: str, message: RemoteMessage) -> AsyncGenerator[Told, None]:
        self.sent.append(message.id)
        async with aclosing(super().send(peer, message)) as told_by:
            async for told in told_by:
                if len(self.sent) == self._nth:
                    raise RemoteUnreachable("The line broke.")
                yield told


@agent
async def talks(ctx: Context) -> str:
    await ctx.stream_text("one ")
    answer = await ctx.ask("Go on?", key="on")
    await ctx.stream_text("two ")
    return f"one two {answer}"


@pytest.mark.parametrize("nth", [1, 2], ids=["the message", "the answer"])
async def test_what_was_sent_and_not_heard_of_is_sent_again_and_counts_once(
    open_house: Open, tmp_path: Path, nth: int
) -> None:
    async with open_house(talks, real=True) as house:

        @agent
        async def passes(ctx: Context) -> str:
            return (await ctx.remote(f"{house.url}/a2a/talks", key="far")).text

        breaking = Breaking(nth)
        async with caller(tmp_path / "caller.db", passes, peers=breaking) as engine:
            run = await engine.run(WHO, RunRequest("passes"), 10)
            assert await asked(engine, run) == ["far/on"]
            await engine.answer(WHO, run.id, {"far/on": "yes"})
            run = await ended(engine, WHO, run)
            told = [e.data["text"] for e in await engine.events(WHO, run.thread_id) if e.type == "text"]
        assert run.output == "one two yes"
        assert "".join(told) == "one two yes"
        assert await house.runs() == 1
    first, answer = f"{run.id}:far", f"{run.id}:far:1"
    assert breaking.sent == ([first, first, answer] if nth == 1 else [first, answer, answer])


async def test_a_call_that_takes_too_long_fails_and_its_task_is_cancelled(open_house: Open, tmp_path: Path) -> None:
    async with open_house(works, real=True) as house:

        @agent
        async def hurries(ctx: Context) -> str:
            try:
                await ctx.remote(f"{house.url}/a2a/works", "x", timeout=0.5)
            except StepTimeout:
                return "too long"
            return "?"

        async with caller(tmp_path / "caller.db", hurries) as engine:
            run = await ended(engine, WHO, await engine.run(WHO, RunRequest("hurries")))
            assert run.output == "too long"
            (view,) = (await house.engine.list_runs(house.caller)).items
            assert (await house.engine.wait(house.caller, view.run.id, 5)).status is RunStatus.CANCELLED


async def test_a_peer_that_stays_out_of_reach_fails_the_step_after_a_while(tmp_path: Path) -> None:
    @agent
    async def calls(ctx: Context) -> str:
        try:
            await ctx.remote("http://127.0.0.1:9/a2a/none", "x", patience=0.6)
        except RemoteUnreachable as error:
            return error.message
        return "?"

    async with caller(tmp_path / "caller.db", calls) as engine:
        run = await ended(engine, WHO, await engine.run(WHO, RunRequest("calls")))
    assert "It was tried for 0.6 s." in run.output


async def test_a_run_sleeps_while_its_peer_works_in_silence(
    open_house: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dragoman.engine.remote._SILENCE", 0.2)
    opened = asyncio.Event()

    @agent
    async def thinks(ctx: Context) -> str:
        await opened.wait()
        return "thought"

    async with open_house(thinks, real=True) as house:

        @agent
        async def waits(ctx: Context) -> str:
            return (await ctx.remote(f"{house.url}/a2a/thinks")).text

        async with caller(tmp_path / "caller.db", waits, short_sleep=0.01) as engine:
            run = await engine.accept(WHO, RunRequest("waits"))
            async with asyncio.timeout(20):
                async for event in engine.subscribe(WHO, run.thread_id, 0, run.id):
                    if event.type == "run.asleep":
                        break
            opened.set()
            run = await ended(engine, WHO, run)
            assert run.output == "thought"
            assert run.attempt > 1
        assert await house.runs() == 1


async def test_a_question_of_another_branch_is_put_while_a_peer_works(
    open_house: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dragoman.engine.remote._BESIDE_SILENCE", 0.2)
    monkeypatch.setattr("dragoman.engine.remote._BESIDE_WAIT", (0.3, 0.3))
    opened = asyncio.Event()

    @agent
    async def thinks(ctx: Context) -> str:
        await opened.wait()
        return "thought"

    async with open_house(thinks, real=True) as house:

        @agent
        async def both(ctx: Context) -> list[str]:
            async def far() -> str:
                return (await ctx.remote(f"{house.url}/a2a/thinks")).text

            return await ctx.gather(far(), ctx.ask("A?", key="a"))

        async with caller(tmp_path / "caller.db", both, short_sleep=0.01) as engine:
            run = await engine.run(WHO, RunRequest("both"), 10)
            assert run.status is RunStatus.WAITING
            assert engine.active == 0
            opened.set()
            async with asyncio.timeout(10):  # the peer's end is seen while the question is open
                async for event in engine.subscribe(WHO, run.thread_id, 0, run.id, until_ended=True):
                    if event.type == "step.finished":
                        break
            await engine.answer(WHO, run.id, {"a": "yes"})
            run = await ended(engine, WHO, run)
        assert run.output == ["thought", "yes"]
        assert await house.runs() == 1


async def test_the_trace_goes_along(open_house: Open) -> None:
    seen: list[Mapping[str, str]] = []
    trace = start_trace(b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
    async with (
        open_house(echo, real=True) as house,
        _answering(seen) as url,
        _cards(house, supportedInterfaces=[_interface("1.0", url=url)]) as card,
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
