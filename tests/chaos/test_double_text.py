"""Many messages on few threads at once, under each strategy, and ``kill -9`` in between: one run of a thread at a time,
in the order of submission; nothing acknowledged is lost; no call of a tool stays without a result.

The short form is part of the suite; the full one (500 messages on 20 threads) has the marker ``chaos``.
"""

from __future__ import annotations

import asyncio
import os
import random
import sqlite3
from collections import defaultdict
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from dragoman.memory.codec import loads
from dragoman.memory.conversation import closed

from .test_kill_nine import Server

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(600)]

STRATEGIES = ["enqueue", "reject", "interrupt", "rollback"]
SEED = int(os.environ.get("CHAOS_SEED", "11"))
_ENDS = ("run.succeeded", "run.failed", "run.cancelled")


class Talk:
    """Messages for threads, each sent until it was answered."""

    def __init__(self, strategy: str, threads: int, messages: int) -> None:
        self.strategy = strategy
        self.threads = [f"00000000-0000-4000-8000-{n:012d}" for n in range(threads)]
        self.acknowledged: dict[str, str] = {}
        self.refused = 0
        self._left = [(self.threads[n % threads], n) for n in range(messages)]

    @property
    def done(self) -> bool:
        """Whether every message was answered."""
        return not self._left

    async def send(self, port: int) -> None:
        """Send what is left at once; what the server does not live to answer is left."""
        left, self._left = self._left, []
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            await asyncio.gather(*(self._send(client, thread, number) for thread, number in left))

    async def _send(self, client: httpx.AsyncClient, thread: str, number: int) -> None:
        body: Mapping[str, Any] = {
            "assistant_id": "talks",
            "input": {"number": number},
            "multitask_strategy": self.strategy,
            "if_not_exists": "create",
        }
        try:
            answer = await client.post(f"/threads/{thread}/runs", json=body)
        except httpx.TransportError:
            self._left.append((thread, number))
            return
        if answer.status_code == 409:
            self.refused += 1
            return
        assert answer.status_code == 200, answer.text
        self.acknowledged[answer.json()["run_id"]] = thread

    async def settle(self, port: int) -> dict[str, str]:
        """The status of each acknowledged run when all has ended; ``gone`` for a forgotten one."""
        found: dict[str, str] = {}
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=120) as client:
            for run_id, thread in self.acknowledged.items():
                await client.get(f"/threads/{thread}/runs/{run_id}/join")
                answer = await client.get(f"/threads/{thread}/runs/{run_id}")
                found[run_id] = "gone" if answer.status_code == 404 else answer.json()["status"]
            for thread in self.threads:  # a run that was not acknowledged may be at work still
                for status in ("pending", "running"):
                    runs = await client.get(f"/threads/{thread}/runs", params={"status": status, "limit": 100})
                    for run in runs.json() if runs.status_code == 200 else ():
                        await client.get(f"/threads/{thread}/runs/{run['run_id']}/join")
        return found


async def texted(folder: Path, strategy: str, threads: int, messages: int, kills: int) -> None:
    """Send the messages, kill the server while it answers and while it works, and look at what is left."""
    chance = random.Random(f"{SEED}{strategy}")
    server, talk = Server(folder), Talk(strategy, threads, messages)
    for _ in range(kills):
        await server.start()
        sending = asyncio.create_task(talk.send(server.port))
        await asyncio.sleep(chance.uniform(0.05, 0.4))  # the random moment itself
        server.kill()
        await sending
    await server.start()
    try:
        while not talk.done:
            await talk.send(server.port)
        found = await talk.settle(server.port)
    finally:
        server.kill()
    _check_outcomes(strategy, talk, found)
    _check_log(server.database)
    print(
        f"\n{strategy}: {messages} messages on {threads} threads, {kills} kills: {len(found)} acknowledged, "
        f"{talk.refused} refused, {', '.join(f'{n} {s}' for s, n in _counted(found).items())}"
    )


def _counted(found: Mapping[str, str]) -> dict[str, int]:
    counts: dict[str, int] = defaultdict(int)
    for status in found.values():
        counts[status] += 1
    return counts


def _check_outcomes(strategy: str, talk: Talk, found: Mapping[str, str]) -> None:
    allowed = {
        "enqueue": {"success"},
        "reject": {"success"},
        "interrupt": {"success", "interrupted"},
        "rollback": {"success", "gone"},
    }
    assert set(found.values()) <= allowed[strategy]
    assert found.keys() == talk.acknowledged.keys()
    assert talk.refused == 0 or strategy == "reject"


def _check_log(database: Path) -> None:
    with closing(sqlite3.connect(database)) as db:
        active = db.execute("SELECT count(*) FROM runs WHERE status IN ('running', 'queued')").fetchone()
        rows = db.execute("SELECT thread_id, run_id, type FROM events ORDER BY thread_id, seq").fetchall()
        newest = db.execute("SELECT thread_id, status, max(ordinal) FROM runs GROUP BY thread_id").fetchall()
        contents = db.execute(
            "SELECT c.content FROM threads t JOIN checkpoints c"
            " ON c.tenant = t.tenant AND c.thread_id = t.id AND c.number = t.checkpoint"
        ).fetchall()
    assert active == (0,)
    assert {status for _, status, _ in newest} == {"succeeded"}, "who wrote last was not answered"
    log: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for thread, run_id, type_ in rows:
        log[thread].append((run_id, type_))
    for events in log.values():
        _check_turns(events)
    for (content,) in contents:
        messages = loads(content)["messages"]
        assert closed(messages) is None, "a call of a tool dangles"
        assert len({m["id"] for m in messages}) == len(messages), "a message stands there twice"


def _check_turns(events: list[tuple[str, str]]) -> None:
    queued = [run_id for run_id, type_ in events if type_ == "run.queued"]
    started = list(dict.fromkeys(run_id for run_id, type_ in events if type_ == "run.started"))
    assert started == [run_id for run_id in queued if run_id in set(started)], "not in the order of submission"
    at_work: str | None = None
    for run_id, type_ in events:
        if type_ == "run.started":
            assert at_work in (None, run_id), "two runs of a thread at once"
            at_work = run_id
        elif type_ in _ENDS and at_work == run_id:
            at_work = None
    assert at_work is None


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_messages_at_once_and_a_kill_leave_a_thread_in_order(tmp_path: Path, strategy: str) -> None:
    await texted(tmp_path, strategy, threads=4, messages=40, kills=1)


@pytest.mark.chaos
@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_five_hundred_messages_and_kills_leave_twenty_threads_in_order(tmp_path: Path, strategy: str) -> None:
    await texted(tmp_path, strategy, threads=20, messages=500, kills=4)
