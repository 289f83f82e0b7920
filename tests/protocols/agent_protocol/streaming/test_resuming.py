"""Streams that are cut anywhere, servers that are killed: what is replayed is what was seen, byte for byte."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager, suppress
from pathlib import Path
from typing import Any, cast

import httpx
import pytest

pytestmark = pytest.mark.anyio

AGENTS = Path(__file__).with_name("agents.py")
MODES = ["values", "updates", "messages", "messages-tuple", "events", "tasks", "checkpoints", "debug", "custom"]


class Process:
    """``dragoman serve`` over one file on one port, killed and started again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        command = [sys.executable, "-m", "dragoman.cli", "serve", str(AGENTS), "--port", str(self.port)]
        command += ["--storage", str(self._folder / "ledger.db")]
        with (self._folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, env={**os.environ, "DRAGOMAN_ENGINE__MAX_CRASHES": "1000"}
            )
        async with asyncio.timeout(60), httpx.AsyncClient() as client:
            while True:
                assert self._process.poll() is None, (self._folder / "server.log").read_text()[-2000:]
                with suppress(httpx.TransportError):
                    if (await client.get(f"{self.url}/readyz")).status_code == 200:
                        return
                await asyncio.sleep(0.02)  # the port is not open yet; there is no event to wait for

    def kill(self) -> None:
        if self._process is not None and self._process.poll() is None:
            os.kill(self._process.pid, signal.SIGKILL)
            self._process.wait()


@asynccontextmanager
async def process(folder: Path) -> AsyncGenerator[Process]:
    made = Process(folder)
    try:
        await made.start()
        yield made
    finally:
        made.kill()


async def frames(answer: httpx.Response) -> AsyncGenerator[bytes]:
    """Whole frames alone, without comments, for as long as the connection lasts."""
    rest = b""
    with suppress(httpx.TransportError):
        async for piece in answer.aiter_bytes():
            *whole, rest = (rest + piece).split(b"\r\n\r\n")
            for frame in whole:
                if frame and not frame.startswith(b":"):
                    yield frame


def id_of(frame: bytes) -> str:
    return frame.rpartition(b"\r\nid: ")[2].decode()


async def replayed(http: httpx.AsyncClient, path: str, after: str) -> list[bytes]:
    """All of a stream after an id: to its end, or of a thread's to the last run's end."""
    seen: list[bytes] = []
    async with http.stream("GET", path, headers={"Last-Event-ID": after}) as answer:
        assert answer.status_code == 200, await answer.aread()
        async for frame in frames(answer):
            seen.append(frame)
            if b'"status":"run_done"' in frame:
                break
    return seen


async def cut_and_killed(folder: Path, cuts: int, kills: int, seed: int) -> None:
    chance = random.Random(seed)
    length = 120 if cuts < 100 else 600
    async with process(folder) as server, httpx.AsyncClient(base_url=server.url, timeout=60) as http:
        thread = (await http.post("/threads", json={})).json()["thread_id"]
        body = {
            "assistant_id": "counter",
            "input": {"count": length, "pause": 0.01},
            "stream_mode": MODES,
            "stream_subgraphs": True,
        }
        seen: list[bytes] = []
        deaths = sorted(chance.sample(range(20, length * 3), kills))
        path, body_or_none, after = f"/threads/{thread}/runs/stream", cast("Any", body), ""
        method = "POST"
        run_path = ""
        while not seen or not seen[-1].startswith(b"event: end"):
            headers = {"Last-Event-ID": after} if after else {}
            async with http.stream(method, path, json=body_or_none, headers=headers) as answer:
                assert answer.status_code == 200, await answer.aread()
                run_path = run_path or answer.headers["location"]
                async for frame in frames(answer):
                    seen.append(frame)
                    if deaths and len(seen) >= deaths[0]:
                        deaths.pop(0)
                        server.kill()
                        break
            if not seen[-1].startswith(b"event: end"):
                server.kill()
                await server.start()
            method, path, body_or_none, after = "GET", run_path, None, id_of(seen[-1])
        assert len(seen) > length
        whole = await replayed(http, run_path, "-1")
        assert seen == whole
        ids = [id_of(frame) for frame in whole[:-1]]
        assert len(set(ids)) == len(ids)
        of_thread = await replayed(http, f"/threads/{thread}/stream", "-1")
        assert of_thread[:-1] == whole[:-1]
        for cut in range(cuts):
            n = chance.randrange(len(whole) - 1)
            if cut == cuts // 2:
                server.kill()
                await server.start()
            assert await replayed(http, run_path, ids[n]) == whole[n + 1 :], ids[n]
            assert await replayed(http, f"/threads/{thread}/stream", ids[n]) == of_thread[n + 1 :], ids[n]


@pytest.mark.timeout(240)
async def test_a_stream_that_is_cut_and_its_server_killed_is_replayed_as_it_was_seen(tmp_path: Path) -> None:
    await cut_and_killed(tmp_path, cuts=6, kills=2, seed=1)


@pytest.mark.slow
@pytest.mark.timeout(1800)
async def test_a_stream_cut_at_two_hundred_points_and_killed_ten_times_is_replayed_as_it_was_seen(
    tmp_path: Path,
) -> None:
    await cut_and_killed(tmp_path, cuts=200, kills=10, seed=int(os.environ.get("CUT_SEED", "2")))


@pytest.mark.timeout(240)
async def test_a_threads_events_are_the_same_after_its_server_was_killed(tmp_path: Path) -> None:
    channels = ["values", "updates", "messages", "tools", "lifecycle", "checkpoints", "tasks", "custom"]
    async with process(tmp_path) as server, httpx.AsyncClient(base_url=server.url, timeout=60) as http:
        thread = str(uuid.uuid4())
        params = {"assistant_id": "counter", "input": {"count": 120, "pause": 0.01}}
        await http.post(f"/threads/{thread}/commands", json={"id": 1, "method": "run.start", "params": params})

        async def heard(since: int, enough: int = 1_000_000) -> list[bytes]:
            seen: list[bytes] = []
            body = {"channels": channels, "since": since}
            async with http.stream("POST", f"/threads/{thread}/stream", json=body) as answer:
                async for frame in frames(answer):
                    seen.append(frame)
                    if len(seen) >= enough or (b'"event":"completed"' in frame and b'"namespace":[]' in frame):
                        break
            return seen

        seen = await heard(0, 150)
        server.kill()
        await server.start()
        seen += await heard(int(id_of(seen[-1])))
        assert len(seen) > 250
        assert await heard(0) == seen
        for n in (10, 149, 150, len(seen) - 2):
            assert await heard(int(id_of(seen[n]))) == seen[n + 1 :]


async def test_the_sdk_joins_a_thread_and_hears_of_its_runs_one_after_another(sdk: Any) -> None:
    thread = (await sdk.threads.create())["thread_id"]
    for text in ("a b", "c"):
        await sdk.runs.wait(thread, "talker", input={"text": text})
    for modes, expected in (
        (["lifecycle"], ["metadata", "metadata"] * 2),
        (["run_modes"], ["metadata", "values", "values", "values", "metadata"] * 2),
        (["state_update", "lifecycle"], ["metadata", "state_update", "metadata"] * 2),
    ):
        found: list[tuple[str, Any]] = []
        joining: Any = sdk.threads.join_stream(thread, last_event_id="-1", stream_mode=cast("Any", modes))
        async with aclosing(await joining) as stream:
            async for part in stream:
                found.append((part.event, part.data))
                if len(found) == len(expected):
                    break
        assert [event for event, _ in found] == expected
        assert found[-1][1]["status"] == "run_done"
