"""The file: one process on it, a lock that tells who, keys beside a running server, migrations, and a crash."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from dragoman.memory.errors import Conflict, LedgerBusy, LedgerLocked
from dragoman.memory.ids import now_micros
from dragoman.memory.ledger import RunFilter
from dragoman.memory.model import ApiKey, RunStatus
from dragoman.memory.sqlite import LockInfo, SqliteKeys, SqliteLedger, read_lock

from .helpers import TENANT, assert_gapless, start

pytestmark = pytest.mark.anyio

HOLD = """
import asyncio, sys
from dragoman.memory.sqlite import SqliteLedger

async def main():
    ledger = SqliteLedger(sys.argv[1])
    await ledger.open()
    ledger.set_url("http://127.0.0.1:8000")
    print("open", flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""

# Says each run and step only after the ledger has acknowledged it.
WORK = """
import asyncio, sys
from dragoman.memory.ids import uuid7
from dragoman.memory.ledger import Batch, Change, NewEvent, NewStep, Submission
from dragoman.memory.model import RunStatus, StepStatus
from dragoman.memory.sqlite import SqliteLedger

async def main():
    ledger = SqliteLedger(sys.argv[1])
    await ledger.open()

    async def work(thread):
        while True:
            made = await ledger.submit(Submission("acme", "a", "1", uuid7(), thread_id=thread), "w")
            print("run", made.run.id, flush=True)
            if made.lease is None:  # the thread has a run of the process that was killed: give it back its place
                for run, _ in await ledger.sweep(1000):
                    pass
                for lease, run, _ in await ledger.claim("w", 1):
                    await ledger.commit(lease, Batch(change=Change(RunStatus.SUCCEEDED)))
                    print("end", run.id, flush=True)
                continue
            for n in range(3):
                step = NewStep(f"s{n}", StepStatus.FINISHED, result=n)
                await ledger.commit(made.lease, Batch(steps=[step]))
                print("step", made.run.id, f"s{n}", flush=True)
                await ledger.commit(made.lease, Batch(events=[NewEvent("text.delta")] * 5, deltas_only=True))
                print("delta", made.run.id, thread, flush=True)
            await ledger.commit(made.lease, Batch(change=Change(RunStatus.SUCCEEDED)))
            print("end", made.run.id, flush=True)

    await asyncio.gather(*(work(f"t{n}") for n in range(12)))

asyncio.run(main())
"""


@contextmanager
def process(program: str, path: Path) -> Generator[subprocess.Popen[str], None, None]:
    """Another Python process on the ledger, killed at the end."""
    with subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, text=True) as child:
        try:
            yield child
        finally:
            child.kill()


def line(child: subprocess.Popen[str]) -> list[str]:
    """The next thing that a process says."""
    assert child.stdout is not None
    return child.stdout.readline().split()


async def test_a_second_process_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with process(HOLD, path) as child:
        assert line(child) == ["open"]
        assert read_lock(path) == LockInfo(child.pid, "http://127.0.0.1:8000")
        with pytest.raises(LedgerLocked, match=rf"process {child.pid}, serving at http://127\.0\.0\.1:8000"):
            await SqliteLedger(path).open()
        child.kill()
        child.wait(10)
        assert read_lock(path) is None
        ledger = SqliteLedger(path)
        await ledger.open()
        assert read_lock(path) == LockInfo(os.getpid())
        await ledger.close()
    assert read_lock(path) is None


async def test_a_second_ledger_in_one_process_is_refused_too(tmp_path: Path) -> None:
    first, second = SqliteLedger(tmp_path / "ledger.db"), SqliteLedger(tmp_path / "ledger.db")
    await first.open()
    with pytest.raises(LedgerLocked, match=f"process {os.getpid()}"):
        await second.open()
    await first.open()  # the one that is open stays open
    await first.ping()
    await first.close()
    await second.open()
    await second.close()


async def test_asking_who_holds_the_lock_keeps_nobody_out(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    assert read_lock(path) is None
    ledger = SqliteLedger(path)

    async def look() -> None:
        for _ in range(50):
            await asyncio.to_thread(read_lock, path)

    looking = asyncio.gather(*(look() for _ in range(4)))
    for _ in range(10):
        await ledger.open()
        await ledger.close()
    await looking


async def test_a_ledger_that_cannot_be_opened_says_so_and_holds_no_lock(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    path.write_bytes(b"This is no database. " * 200)
    with pytest.raises(LedgerBusy, match="not a database"):
        await SqliteLedger(path).open()
    assert read_lock(path) is None


async def test_a_ledger_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    ledger = SqliteLedger(path)
    await ledger.open()
    await ledger.close()
    with closing(sqlite3.connect(path)) as db:
        db.execute("INSERT INTO migrations VALUES (9999, 'from the future', 0)")
        db.commit()
    with pytest.raises(Conflict, match="newer Dragoman"):
        await ledger.open()
    assert read_lock(path) is None


async def test_keys_are_edited_while_a_server_has_the_ledger_open(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    keys = SqliteKeys(path)
    before = ApiKey("k1", TENANT, "ada", frozenset({"*"}), now_micros())
    keys.add_key(before, b"1")  # before there is a ledger
    ledger = SqliteLedger(path)
    await ledger.open()
    while_open = ApiKey("k2", TENANT, "bob", frozenset({"runs:read"}), now_micros())

    async def write() -> None:
        for _ in range(30):
            await start(ledger)

    writing = asyncio.gather(*(write() for _ in range(4)))
    await asyncio.to_thread(keys.add_key, while_open, b"2")
    assert await ledger.find_key(b"1") == before
    assert await ledger.find_key(b"2") == while_open
    assert await asyncio.to_thread(keys.revoke_key, "k1") is True
    assert await ledger.find_key(b"1") is None
    assert [key.id for key in keys.keys(TENANT)] == ["k1", "k2"]
    assert [key.id for key in keys.keys("umbrella")] == []
    with pytest.raises(Conflict):
        keys.add_key(while_open, b"3")
    await writing
    assert len((await ledger.runs(TENANT, RunFilter(), 500)).items) == 120
    await ledger.close()


async def test_what_was_acknowledged_survives_kill_9(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    said: list[list[str]] = []
    for kill_after in (40, 333, 700):
        with process(WORK, path) as child:
            said += [line(child) for _ in range(kill_after)]
            child.send_signal(signal.SIGKILL)
            assert child.stdout is not None
            said += [rest.split() for rest in child.stdout if rest.endswith("\n")]
    ledger = SqliteLedger(path)
    await ledger.open()
    runs = {view.run.id: view.run for view in (await ledger.runs(TENANT, RunFilter(), 10_000)).items}
    assert {words[1] for words in said if words[0] == "run"} <= runs.keys()
    assert all(runs[words[1]].status is RunStatus.SUCCEEDED for words in said if words[0] == "end")
    steps = {words[1]: await ledger.journal(TENANT, words[1]) for words in said if words[0] == "step"}
    assert all(words[2] in steps[words[1]] for words in said if words[0] == "step")
    for n in range(12):
        events = await ledger.events(TENANT, f"t{n}", limit=100_000)
        assert_gapless(events)
        acknowledged = sum(5 for words in said if words[0] == "delta" and words[2] == f"t{n}")
        assert sum(event.type == "text.delta" for event in events) >= acknowledged
    assert len(said) >= 40 + 333 + 700
    await ledger.close()


async def test_expired_facts_are_swept_out_of_the_file_in_small_batches(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    ledger = SqliteLedger(path)
    await ledger.open()
    for n in range(450):
        await ledger.remember(TENANT, "session", str(n), n, -1.0)
    await ledger.remember(TENANT, "session", "kept", 1, 60.0)
    left: list[int] = []
    for _ in range(3):
        await ledger.sweep(3)
        with closing(sqlite3.connect(path)) as db:
            left.append(db.execute("SELECT count(*) FROM facts").fetchone()[0])
    assert left == [251, 51, 1]
    await ledger.close()
