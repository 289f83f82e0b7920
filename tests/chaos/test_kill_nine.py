"""A server is killed with ``kill -9`` at random moments under fifty runs at once, again and again. Nothing may be lost.

``CHAOS_KILLS`` says how often (100 for ``make chaos``, a short form by default), ``CHAOS_SEED`` makes the moments
repeat.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import httpx
import pytest

pytestmark = [pytest.mark.anyio, pytest.mark.chaos, pytest.mark.timeout(900)]

KILLS = int(os.environ.get("CHAOS_KILLS", "8"))
SEED = int(os.environ.get("CHAOS_SEED", "7"))
CONCURRENT = 50
KINDS = ["works"] * 6 + ["sleeps", "asks", "guards", "calls"]


class Server:
    """A server process over one file, killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.database = folder / "chaos.db"
        self.effects = folder / "effects.txt"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0

    async def start(self) -> float:
        """Start, and return the seconds until it was ready."""
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        agents = Path(__file__).with_name("chaos_agents.py")
        command = [sys.executable, "-m", "dragoman.cli", "serve", str(agents)]
        command += ["--port", str(self.port), "--storage", str(self.database)]
        environment = {**os.environ, "CHAOS_EFFECTS": str(self.effects), "DRAGOMAN_ENGINE__MAX_CRASHES": "1000"}
        began = time.monotonic()
        with (self._folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        async with asyncio.timeout(30), httpx.AsyncClient() as client:
            while True:
                assert self._process.poll() is None, (self._folder / "server.log").read_text()[-2000:]
                try:
                    if (await client.get(f"http://127.0.0.1:{self.port}/readyz")).status_code == 200:
                        return time.monotonic() - began
                except httpx.TransportError:
                    await asyncio.sleep(0.01)  # the port is not open yet; there is no event to wait for

    def kill(self) -> None:
        """``kill -9``, by pid."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def finished_steps(self) -> set[str]:
        """The keys of the steps that the ledger holds as finished."""
        with closing(sqlite3.connect(self.database)) as database:
            rows = database.execute("SELECT run_id, key FROM steps WHERE status = 'finished'").fetchall()
        return {f"{run}:{key}" for run, key in rows}

    def effect_counts(self) -> Counter[str]:
        """How often each side effect happened."""
        lines = self.effects.read_text().splitlines() if self.effects.exists() else ()
        return Counter(line.partition(" ")[0] for line in lines)


class Submitter:
    """Keeps fifty runs in flight and remembers each submission that was acknowledged."""

    def __init__(self, server: Server, chance: random.Random) -> None:
        self.acknowledged: dict[str, str] = {}
        self._server = server
        self._chance = chance
        self._number = 0

    async def keep_submitting(self) -> None:
        """Fifty clients, each submitting and waiting, until the server is gone."""
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{self._server.port}", timeout=30) as client:
            await asyncio.gather(*(self._client(client) for _ in range(CONCURRENT)))

    async def _client(self, client: httpx.AsyncClient) -> None:
        while True:
            kind = self._chance.choice(KINDS)
            self._number += 1
            try:
                answer = await client.post("/runs", json={"agent_id": kind, "input": {"number": self._number}})
                if answer.status_code == 200:
                    self.acknowledged[answer.json()["run_id"]] = kind
                    await client.get(f"/runs/{answer.json()['run_id']}/wait")
                else:
                    assert answer.status_code == 429, answer.text
                    await asyncio.sleep(0.05)  # a client's own pace
            except httpx.TransportError:
                return


async def _settle(server: Server, submitter: Submitter) -> dict[str, dict[str, object]]:
    """Every acknowledged run, once all have ended or wait: also those that a kill kept from being acknowledged."""
    found: dict[str, dict[str, object]] = {}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}", timeout=60) as client:
        async with asyncio.timeout(120):
            for run_id in submitter.acknowledged:
                answer = await client.get(f"/runs/{run_id}/wait")
                assert answer.status_code == 200, (run_id, answer.text)
                found[run_id] = answer.json()["run"]
            while others := (await client.post("/runs/search", json={"status": "pending", "limit": 100})).json():
                for run in others:
                    await client.get(f"/runs/{run['run_id']}/wait")
    return found


def _check_ledger(database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        threads = connection.execute("SELECT id FROM threads").fetchall()
        rows = connection.execute("SELECT thread_id, seq, type FROM events ORDER BY thread_id, seq").fetchall()
        running = connection.execute("SELECT count(*) FROM runs WHERE status IN ('running', 'queued')").fetchone()
    log: dict[str, list[int]] = {}
    for thread_id, seq, _ in rows:
        log.setdefault(thread_id, []).append(seq)
    for (thread_id,) in threads:
        numbers = log.get(thread_id, [])
        assert numbers == list(range(1, len(numbers) + 1)), f"the events of {thread_id} have a gap"
        assert numbers, f"{thread_id} has no events"
    assert running == (0,)


async def test_nothing_is_lost_and_nothing_finished_is_repeated(tmp_path: Path) -> None:
    chance = random.Random(SEED)
    server = Server(tmp_path)
    submitter = Submitter(server, chance)
    before: dict[str, int] = {}
    starts: list[float] = []
    for _ in range(KILLS):
        starts.append(await server.start())
        clients = asyncio.create_task(submitter.keep_submitting())
        await asyncio.sleep(chance.uniform(0.02, 0.6))  # the random moment itself
        server.kill()
        await clients
        counts = server.effect_counts()
        for key in server.finished_steps():
            before.setdefault(key, counts[key])
    await server.start()
    try:
        runs = await _settle(server, submitter)
    finally:
        server.kill()
    after = server.effect_counts()
    repeated = {key: (count, after[key]) for key, count in before.items() if after[key] != count}
    print(
        f"\n{KILLS} kills, {len(runs)} acknowledged runs, {len(before)} steps finished before a kill, "
        f"{sum(after.values())} side effects, ready again in {max(starts[1:], default=0):.2f} s at most"
    )
    assert not repeated, f"finished steps were repeated: {repeated}"
    assert set(runs) == set(submitter.acknowledged)
    wrong = {k: r for k, r in runs.items() if r["status"] not in ("success", "interrupted")}
    assert not wrong, wrong
    _check_ledger(server.database)


async def test_a_step_that_asks_is_never_repeated_by_itself(tmp_path: Path) -> None:
    """The crash policy ``ask``: however often the server dies, a guarded side effect happens once for each person's
    word."""
    chance = random.Random(SEED + 1)
    server = Server(tmp_path)
    acknowledged: list[str] = []
    for _ in range(max(3, KILLS // 10)):
        await server.start()
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}", timeout=30) as client:
            answers = await asyncio.gather(
                *(client.post("/runs", json={"agent_id": "guards", "input": {"number": n}}) for n in range(20))
            )
        acknowledged += [a.json()["run_id"] for a in answers]
        await asyncio.sleep(chance.uniform(0.0, 0.05))  # the random moment itself
        server.kill()
    await server.start()
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}", timeout=30) as client:
            runs = [(await client.get(f"/runs/{r}/wait")).json()["run"] for r in acknowledged]
    finally:
        server.kill()
    assert {r["status"] for r in runs} <= {"success", "interrupted"}
    assert all(count == 1 for count in server.effect_counts().values())
    with closing(sqlite3.connect(server.database)) as database:
        open_ = {run for (run,) in database.execute("SELECT run_id FROM interrupts WHERE status = 'open'")}
    interrupted = [r for r in runs if r["status"] == "interrupted"]
    assert {r["run_id"] for r in interrupted} == open_
    assert all("decision" in asked["schema"]["properties"] for r in interrupted for asked in r["interrupts"])
    assert all(len(r["interrupts"]) == 1 for r in interrupted)
