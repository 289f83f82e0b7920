"""Push notifications of a server in its own process: slow and failing receivers, ``kill -9``, dead letters."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.engine.receiver import Answer, Received, receiver

from .conftest import a_message

pytestmark = pytest.mark.anyio

DEADLINE = 60.0
AGENTS = '''
from dragoman.agents import Context, agent

async def nothing() -> None:
    pass

@agent
async def tells(ctx: Context, words: int) -> str:
    """Streams so many words, each in a commit of its own."""
    for n in range(words):
        await ctx.stream_text(f"{n} ")
        await ctx.step(nothing)
    return "".join(f"{n} " for n in range(words))
'''
QUICK = {"DRAGOMAN_OUTBOX__BACKOFF": "0.05", "DRAGOMAN_OUTBOX__BACKOFF_LIMIT": "0.2"}
Command = Callable[..., "subprocess.CompletedProcess[str]"]


class Server:
    """``dragoman serve``, which can be killed and started again over the same ledger."""

    def __init__(self, folder: Path, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._folder = folder
        self._port = port
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self, **env: str) -> None:
        told = {**_environment(), **QUICK, "DRAGOMAN_EGRESS__ALLOW": "127.0.0.1", **env}
        with (self._folder / "server.log").open("ab") as log:
            command = [sys.executable, "-m", "dragoman.cli", "serve", "agents.py", "--port", str(self._port)]
            self._process = subprocess.Popen(command, cwd=self._folder, env=told, stdout=log, stderr=log)
        async with asyncio.timeout(DEADLINE), httpx.AsyncClient(base_url=self.url) as client:
            while True:
                assert self._process.poll() is None, self.log()
                try:
                    if (await client.get("/readyz")).status_code == 200:
                        return
                except httpx.TransportError:
                    await asyncio.sleep(0.02)  # the port is not open yet; no event tells when it is

    def end(self, number: signal.Signals) -> None:
        if self._process is not None:
            os.kill(self._process.pid, number)
            self._process.wait(DEADLINE)
            self._process = None

    def log(self) -> str:
        return (self._folder / "server.log").read_text()


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("DRAGOMAN_")}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "agents.py").write_text(AGENTS)
    return tmp_path


@pytest.fixture
def server(folder: Path) -> Iterator[Server]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        there = Server(folder, free.getsockname()[1])
    yield there
    there.end(signal.SIGKILL)


@pytest.fixture
def command(folder: Path) -> Command:
    """``command("deliveries", "dead")``, to its end, in the server's folder."""

    def to_the_end(*arguments: str) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-m", "dragoman.cli", *arguments]
        env = {**_environment(), "NO_COLOR": "1"}
        return subprocess.run(line, cwd=folder, env=env, capture_output=True, text=True, timeout=DEADLINE)

    return to_the_end


@asynccontextmanager
async def client_of(server: Server) -> AsyncGenerator[httpx.AsyncClient]:
    headers = {"A2A-Version": "1.0"}
    async with (
        asyncio.timeout(DEADLINE),
        httpx.AsyncClient(base_url=server.url, timeout=DEADLINE, headers=headers) as c,
    ):
        yield c


async def call(client: httpx.AsyncClient, method: str, params: Any) -> Any:
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    told = (await client.post("/a2a/tells", json=body)).json()
    assert "result" in told, told
    return told["result"]


def sending(words: int, url: str, **configuration: Any) -> dict[str, Any]:
    push = {"taskPushNotificationConfig": {"url": url}}
    return {"message": a_message({"data": {"words": words}}), "configuration": {**push, **configuration}}


def once(got: list[Received]) -> list[Received]:
    """Without repetitions, which follow each other directly, with the same content."""
    kept: list[Received] = []
    for each in got:
        if kept and kept[-1].id == each.id:
            assert kept[-1].body == each.body
        else:
            kept.append(each)
    return kept


def text_of(got: list[Received]) -> str:
    """The result as its chunks tell it."""
    text = ""
    for each in got:
        if (update := each.told.get("artifactUpdate")) is not None:
            chunk = update["artifact"]["parts"][0]["text"]
            text = text + chunk if update.get("append") else chunk
    return text


def is_last(each: Received) -> bool:
    return "statusUpdate" in each.told and each.told["statusUpdate"]["status"]["state"] == "TASK_STATE_COMPLETED"


@pytest.mark.parametrize("pause", [3.0, pytest.param(10.0, marks=pytest.mark.slow)], ids=["3 s", "10 s"])
async def test_a_webhook_that_sleeps_and_fails_five_times_slows_no_stream_and_has_the_message_at_the_sixth(
    server: Server, pause: float
) -> None:
    await server.start()

    def sleeping_then_failing(n: int) -> Answer:
        return Answer(503, pause if n == 0 else 0.0) if n < 5 else Answer()

    async with receiver(sleeping_then_failing) as there, client_of(server) as client:
        body = {"jsonrpc": "2.0", "id": 1, "method": "SendStreamingMessage", "params": sending(50, there.url)}
        async with client.stream("POST", "/a2a/tells", json=body) as answer:
            lines = [line async for line in answer.aiter_lines() if line.startswith("data: ")]
        streamed = [json.loads(line[6:])["result"] for line in lines]
        assert len(there.got) <= 1  # it sleeps still
        got = await there.wait(5 + len(streamed))
        assert len({each.id for each in got[:6]}) == 1
        assert len({each.body for each in got[:6]}) == 1
        assert got[5].told["statusUpdate"]["status"]["state"] == "TASK_STATE_WORKING"
        assert [each.told for each in got[6:]] == streamed[1:]
        assert is_last(got[-1])


@pytest.mark.requirement("a2a.push.at-least-once")
async def test_after_each_kill_what_was_not_told_is_told_in_order(server: Server) -> None:
    words = 150
    async with receiver(Answer(pause=0.005)) as there:
        await server.start()
        async with client_of(server) as client:
            await call(client, "SendMessage", sending(words, there.url, returnImmediately=True))
        for kill in range(1, 4):
            async with asyncio.timeout(DEADLINE):
                await there.wait(kill * 25)
            server.end(signal.SIGKILL)
            await server.start()
        async with asyncio.timeout(DEADLINE):
            while not is_last(there.got[-1]):
                await there.wait(len(there.got) + 1)
        got = once(there.got)
        assert len({each.id for each in got}) == len(got)  # no repetition but of what was under way
        assert len(there.got) - len(got) <= 3
        numbers = [tuple(map(int, each.id.split("_")[2:])) for each in got]
        assert numbers == sorted(numbers)
        assert text_of(got) == "".join(f"{n} " for n in range(words))


async def test_what_was_given_up_is_listed_and_sent_again_while_the_server_runs(
    server: Server, command: Command
) -> None:
    well = False
    await server.start(DRAGOMAN_OUTBOX__ATTEMPTS="2")
    async with receiver(lambda n: Answer() if well else Answer(500)) as there, client_of(server) as client:
        task = (await call(client, "SendMessage", sending(2, there.url)))["task"]
        await there.wait(2)
        letters: list[dict[str, Any]] = []
        while not letters:
            letters = json.loads((await asyncio.to_thread(command, "deliveries", "dead", "--json")).stdout)
        (letter,) = letters
        assert (letter["run"], letter["attempts"], letter["error"], letter["waits"]) == (
            task["id"],
            2,
            "HTTP 500",
            True,
        )
        assert json.loads(letter["body"])["statusUpdate"]["taskId"] == task["id"]
        listed = (await asyncio.to_thread(command, "deliveries", "list", "--status", "dead")).stdout
        assert there.url in listed
        well = True
        told = await asyncio.to_thread(command, "deliveries", "retry", str(letter["number"]))
        assert (told.returncode, "sent again" in told.stderr) == (0, True)
        while not is_last(there.got[-1]):
            await there.wait(len(there.got) + 1)
        assert there.got[2].id == there.got[1].id
        assert text_of(there.got) == "0 1 "
        assert (await asyncio.to_thread(command, "deliveries", "dead", "--json")).stdout.strip() == "[]"
        well = False
        await call(client, "SendMessage", sending(1, there.url))
        letters = []
        while not letters:
            letters = json.loads((await asyncio.to_thread(command, "deliveries", "dead", "--json")).stdout)
        sent = len(there.got)
        well = True
        await asyncio.to_thread(command, "deliveries", "drop", str(letters[0]["number"]))
        assert "artifactUpdate" in (await there.wait(sent + 1))[sent].told
    server.end(signal.SIGTERM)


async def test_a_receiver_verifies_what_it_is_sent_with_the_secret_that_the_operator_prints(
    server: Server, command: Command
) -> None:
    import base64
    import hashlib
    import hmac

    await server.start()
    async with receiver() as there, client_of(server) as client:
        await call(client, "SendMessage", sending(1, there.url))
        secret = (await asyncio.to_thread(command, "deliveries", "secret")).stdout.strip()
        key = base64.b64decode(secret.removeprefix("whsec_"))
        for each in await there.wait(3):
            signed = f"{each.id}.{each.headers['webhook-timestamp']}.".encode() + each.body
            wanted = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
            assert each.headers["webhook-signature"] == f"v1,{wanted}"
            assert each.headers["authorization"].startswith("Bearer ey")


def test_commands_about_a_dead_letter_that_is_not_there_say_so(command: Command) -> None:
    for verb in ("retry", "drop"):
        told = command("deliveries", verb, "7")
        assert (told.returncode, "no dead letter 7" in told.stderr) == (1, True), told
    assert "Say which" in command("deliveries", "retry").stderr
    assert "No dead letters" in command("deliveries", "dead").stderr
    assert command("deliveries", "list", "--json").stdout.strip() == "[]"
