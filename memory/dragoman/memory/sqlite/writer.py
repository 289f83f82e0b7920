"""The writer: one thread and one connection through which every change goes, many changes to a COMMIT.

A verb is a plain function of a transaction (``Tx``) and its arguments. The event loop collects the verbs of one turn
and hands them over together; the thread takes all that wait, runs them in one transaction, commits once, and answers
all callers with one call back into the loop. What a verb returned is thus on disk, and a verb that raised has left no
trace. A caller that goes away changes nothing: its verb runs all the same.

The thread shares the interpreter's lock with the loop and gives it up at every statement. While the loop has idle
moments that costs nothing. Under a loop that is never idle the thread gets the lock back a switch interval later: at
Python's 5 ms the slowest commits in twenty took 94 ms, at 1 ms under 6 ms (``sys.setswitchinterval``; shorter ones
gained nothing). It is set by who composes the process, for it is the process's.

Knows nothing of runs. Below: ``connection.py``. Above: ``ledger.py``, which names the verbs.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeAlias, TypeVar, TypeVarTuple

from dragoman.memory.blobs.aside import Blobs, BlobsWanted
from dragoman.memory.errors import DragomanError, LedgerBusy
from dragoman.memory.sealing.master_keys import MasterKeys
from dragoman.memory.sqlite.connection import translated
from dragoman.memory.sqlite.sealed import SealedTx
from dragoman.memory.sqlite.tx import SqliteTx

__all__ = ["Writer"]

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

# Bounds how long the first caller of a batch waits for the last one's statements.
_MAX_BATCH = 256
# Verbs that are handed over without waiting for more: a COMMIT costs each of so many little.
_ENOUGH = 32


# The verb, its arguments, whether a power failure may take it, and who waits. Plain tuples: each write makes two.
_Job: TypeAlias = tuple[Callable[..., Any], tuple[Any, ...], bool, asyncio.Future[Any]]
_Outcome: TypeAlias = tuple[asyncio.Future[Any], Any, BaseException | None]


class Writer:
    """Owns a connection from ``start`` to ``close``. ``run`` is called from one event loop."""

    def __init__(self, db: sqlite3.Connection, masters: MasterKeys | None = None, blobs: Blobs | None = None) -> None:
        self._db = db
        self._tx = SqliteTx(db) if masters is None and blobs is None else SealedTx(db, masters, blobs)
        self._blobs = blobs
        self._serving: set[asyncio.Task[None]] = set()
        self._passes: set[asyncio.Future[Any]] = set()
        self._loop = asyncio.get_running_loop()
        self._inbox: SimpleQueue[list[_Job] | None] = SimpleQueue()
        self._pending: list[_Job] = []
        self._closed = False
        self._full = True
        self._ended = self._loop.create_future()
        self._thread = threading.Thread(target=self._main, name="dragoman-ledger", daemon=True)

    @property
    def alive(self) -> bool:
        """Whether verbs are taken."""
        return not self._closed and self._thread.is_alive()

    def start(self) -> None:
        """Begin to take verbs."""
        self._thread.start()

    def run(self, verb: Callable[[SqliteTx, *Ts], T], *args: *Ts) -> asyncio.Future[T]:
        """Run a verb in a transaction that is on disk when the future is done. It raises what the verb raises, or
        ``LedgerBusy``."""
        return self._enqueue(verb, args, False)

    def run_relaxed(self, verb: Callable[[SqliteTx, *Ts], T], *args: *Ts) -> asyncio.Future[T]:
        """The same, but the write may be lost in a power failure (never in a crash of the process)."""
        return self._enqueue(verb, args, True)

    def _enqueue(self, verb: Callable[..., T], args: tuple[Any, ...], relaxed: bool) -> asyncio.Future[T]:
        if self._closed:
            raise LedgerBusy("The ledger is closed.")
        future: asyncio.Future[T] = self._loop.create_future()
        self._queue((verb, args, relaxed, future))
        return future

    def _queue(self, job: _Job) -> None:
        if not self._pending:
            # Handing over after this turn of the loop lets the tasks that one COMMIT woke share the next one.
            self._loop.call_soon(self._hand_over)
        self._pending.append(job)

    def _hand_over(self, seen: int = 0) -> None:
        """Hand the verbs over, unless the last turn of a busy loop brought more: the next one may too."""
        pending = self._pending
        if seen < len(pending) < _ENOUGH:
            self._loop.call_soon(self._hand_over, len(pending))
        elif pending:
            self._inbox.put(pending)
            self._pending = []

    async def close(self) -> None:
        """Finish what was handed over, then close the connection."""
        if not self._closed:
            while self._serving:
                await asyncio.wait(self._serving)
            self._closed = True
            self._hand_over()
            self._inbox.put(None)
        await asyncio.shield(self._ended)

    def _resolve(self, outcomes: list[_Outcome]) -> None:
        for future, value, error in outcomes:
            if isinstance(error, BlobsWanted) and future not in self._passes:
                self._go_on_with(value, error)
            elif future.done():  # cancelled; what it asked for has happened all the same
                continue
            elif error is None:
                future.set_result(value)
            else:
                future.set_exception(error)

    def _go_on_with(self, job: _Job, wanted: BlobsWanted) -> None:
        """Run a verb that wants blobs once more when they are where it wants them."""
        task = self._loop.create_task(self._serve(job, wanted))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _serve(self, job: _Job, wanted: BlobsWanted) -> None:
        verb, args, relaxed, future = job
        first: list[BlobsWanted] = [wanted]

        async def again() -> Any:
            if first:
                raise first.pop()
            one: asyncio.Future[Any] = self._loop.create_future()
            self._passes.add(one)
            try:
                self._queue((verb, args, relaxed, one))
                return await one
            finally:
                self._passes.discard(one)

        async def make_key(tenant: str) -> None:
            await self.run(_make_key, tenant)

        assert self._blobs is not None
        try:
            result = await self._blobs.served(again, make_key)
        except Exception as error:
            if not future.done():
                future.set_exception(error)
        else:
            if not future.done():
                future.set_result(result)

    # -- in the thread ------------------------------------------------------------------------------------------------

    def _main(self) -> None:
        jobs: list[_Job] = []
        stopping = False
        while jobs or not stopping:
            if not jobs:
                stopping = self._take(jobs)
            while not stopping and not self._inbox.empty():
                stopping = self._take(jobs)
            batch, jobs = jobs[:_MAX_BATCH], jobs[_MAX_BATCH:]
            if batch:
                self._call_loop(self._resolve, self._write(batch))
        self._db.close()
        self._call_loop(_end, self._ended)

    def _take(self, jobs: list[_Job]) -> bool:
        more = self._inbox.get()
        if more is None:
            return True
        jobs.extend(more)
        return False

    def _call_loop(self, function: Callable[..., None], argument: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(function, argument)
        except RuntimeError:  # the loop is closed: nobody waits any more
            return

    def _write(self, batch: list[_Job]) -> list[_Outcome]:
        try:
            self._set_synchronous(full=not all(relaxed for _, _, relaxed, _ in batch))
            self._db.execute("BEGIN IMMEDIATE")
            outcomes = [self._write_one(batch[0])] if len(batch) == 1 else self._write_all(batch)
            if self._db.in_transaction:
                self._db.execute("COMMIT")
            return outcomes
        except BaseException as error:
            self._roll_back()
            failure = translated(error)
            busy = failure if isinstance(failure, DragomanError) else LedgerBusy(f"The ledger failed: {failure!r}")
            return [(future, None, busy) for _, _, _, future in batch]

    def _write_all(self, batch: list[_Job]) -> list[_Outcome]:
        """Verbs seldom raise: all are run without savepoints first, and again with them once one has."""
        try:
            outcomes: list[_Outcome] = [(future, verb(self._tx, *args), None) for verb, args, _, future in batch]
            self._tx.write()
            return outcomes
        except Exception:
            self._roll_back()
            self._db.execute("BEGIN IMMEDIATE")
            return [self._write_in_savepoint(job) for job in batch]

    def _write_one(self, job: _Job) -> _Outcome:
        """A job that has the transaction for itself: it is rolled back as a whole."""
        verb, args, _, future = job
        try:
            value = verb(self._tx, *args)
            self._tx.write()
            return future, value, None
        except Exception as error:
            self._roll_back()
            return future, job, translated(error)

    def _write_in_savepoint(self, job: _Job) -> _Outcome:
        verb, args, _, future = job
        execute = self._db.execute
        execute("SAVEPOINT job")
        try:
            value = verb(self._tx, *args)
            self._tx.write()
        except Exception as error:
            if not self._db.in_transaction:  # SQLite itself rolled all back: the disk is full
                raise
            self._tx.forget()
            execute("ROLLBACK TO job")
            execute("RELEASE job")
            return future, job, translated(error)
        execute("RELEASE job")
        return future, value, None

    def _roll_back(self) -> None:
        self._tx.forget()
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")

    def _set_synchronous(self, *, full: bool) -> None:
        if full is not self._full:
            self._db.execute("PRAGMA synchronous = FULL" if full else "PRAGMA synchronous = NORMAL")
            self._full = full


def _make_key(tx: SqliteTx, tenant: str) -> None:
    if isinstance(tx, SealedTx):
        tx.make_key(tenant)


def _end(ended: asyncio.Future[None]) -> None:
    if not ended.done():
        ended.set_result(None)
