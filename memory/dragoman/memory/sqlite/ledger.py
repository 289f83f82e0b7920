"""``SqliteLedger``: the ledger in one SQLite file. Names the verbs; what each does is in the modules beside this one.

Not for several processes: a lock file keeps a second one out. Below: the writer's thread and the readers. Above: the
engine, which sees ``dragoman.memory.ledger.Ledger`` alone.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from pathlib import Path

from dragoman.memory.admission import ANY_RUN, ClaimTerms
from dragoman.memory.blobs.aside import Blobs
from dragoman.memory.blobs.sweeping import sweep_on
from dragoman.memory.errors import LedgerBusy
from dragoman.memory.ledger import Batch, Committed, Lease, Renewed, RunFilter, Submission, Submitted
from dragoman.memory.model import (
    Event,
    Json,
    Page,
    Run,
    RunView,
    Step,
)
from dragoman.memory.replicas import News
from dragoman.memory.sealing.master_keys import MasterKeys
from dragoman.memory.sqlite.connection import connect_writer, migrate, translated
from dragoman.memory.sqlite.lockfile import LockFile
from dragoman.memory.sqlite.reader import Reader
from dragoman.memory.sqlite.sealed import check_blobs, check_keys
from dragoman.memory.sqlite.through import WriterAndReader
from dragoman.memory.sqlite.writer import Writer
from dragoman.memory.verbs import (
    claim,
    commit,
    fork,
    listing,
    reading,
    record,
    signals,
    submit,
)
from dragoman.memory.verbs.admission import AdmissionVerbs
from dragoman.memory.verbs.assistant_verbs import AssistantVerbs
from dragoman.memory.verbs.blobs import ledger_name, unused_blobs
from dragoman.memory.verbs.cron_verbs import CronVerbs
from dragoman.memory.verbs.keeping_verbs import KeepingVerbs
from dragoman.memory.verbs.kept_verbs import KeptVerbs
from dragoman.memory.verbs.outbox import OutboxVerbs
from dragoman.memory.verbs.store_verbs import StoreVerbs
from dragoman.memory.verbs.thread_verbs import ThreadVerbs

__all__ = ["SqliteLedger"]

# Up to this many events are read on the loop's thread (about 100 µs); a longer answer is read in the reader's.
_FEW_EVENTS = 32


class SqliteLedger(
    KeptVerbs, ThreadVerbs, OutboxVerbs, AssistantVerbs, CronVerbs, StoreVerbs, AdmissionVerbs, KeepingVerbs
):
    """The ledger at ``path`` (the file is made when it is not there), used from one event loop.

    ``fsync_deltas`` makes also token deltas safe from a power failure, at the price of a disk flush for each batch of
    them. With ``masters`` values are sealed, with ``blobs`` large ones are put aside.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        fsync_deltas: bool = False,
        masters: MasterKeys | None = None,
        blobs: Blobs | None = None,
    ) -> None:
        self._path = Path(path)
        self._masters = masters
        self._blobs = blobs
        self._sweeping: asyncio.Task[None] | None = None
        self._fsync_deltas = fsync_deltas
        self._lock = LockFile(self._path)
        self._opened: WriterAndReader | None = None

    # -- life ---------------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """See ``Ledger.open``. All leases end: their holders went with the last process.

        Raises ``MasterKeyMissing``, and ``Conflict`` when there are blobs and no ``blobs``, or they are another's.
        """
        if self._opened is not None:
            return
        await asyncio.to_thread(self._lock.acquire)
        try:
            db = await asyncio.to_thread(_open, self._path, self._masters, self._blobs)
            name = await _claimed(db, self._blobs)
            reader = Reader(self._path, self._masters, self._blobs)
        except BaseException:
            self._lock.release()
            raise
        writer = Writer(db, self._masters, self._blobs)
        writer.start()
        self._opened = WriterAndReader(writer, reader)
        await writer.run(claim.expire_leases)
        if self._blobs is not None:
            self._sweeping = asyncio.create_task(sweep_on(self._blobs, name, self._unused_blobs))

    async def close(self) -> None:
        """See ``Ledger.close``."""
        if self._opened is None:
            return
        opened, self._opened = self._opened, None
        await asyncio.shield(asyncio.ensure_future(self._close(opened)))

    async def _close(self, opened: WriterAndReader) -> None:
        if self._sweeping is not None:
            self._sweeping.cancel()
        # The reader first: SQLite folds the WAL into the file when the last connection, the writer's, is closed.
        await opened.reader.close()
        await opened.writer.close()
        self._lock.release()

    @property
    def polls(self) -> float | None:
        """See ``ReplicaLedger.polls``. One process alone has the file."""
        return None

    def tell(self, threads: Iterable[tuple[str, str]]) -> None:
        """See ``ReplicaLedger.tell``. There is nobody to be told."""

    async def news(self) -> AsyncIterator[News]:
        """See ``ReplicaLedger.news``."""
        nothing: tuple[News, ...] = ()
        for news in nothing:
            yield news

    def set_url(self, url: str) -> None:
        """Write where this process serves into the lock file, for ``read_lock`` in other processes."""
        self._lock.set_url(url)

    async def ping(self) -> None:
        """See ``Ledger.ping``."""
        if not self._writer.alive:
            raise LedgerBusy("The ledger's writer has stopped.")
        self._reader.here(reading.ping)

    async def _unused_blobs(self, names: Sequence[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
        return await self._reader.apart(unused_blobs, names)

    @property
    def _runner(self) -> WriterAndReader:
        if self._opened is None:
            raise LedgerBusy("The ledger is closed.")
        return self._opened

    @property
    def _writer(self) -> Writer:
        return self._runner.writer

    @property
    def _reader(self) -> Reader:
        return self._runner.reader

    # -- runs: the write path -----------------------------------------------------------------------------------------

    async def submit(self, submission: Submission, claim_for: str | None = None, lease_s: float = 30.0) -> Submitted:
        """See ``Ledger.submit``."""
        return await self._writer.run(submit.submit, submission, claim_for, lease_s)

    async def record(self, submission: Submission, batch: Batch, began: int) -> Submitted:
        """See ``Ledger.record``."""
        return await self._writer.run(record.record, submission, batch, began)

    async def claim(
        self, worker: str, limit: int, lease_s: float = 30.0, terms: ClaimTerms = ANY_RUN
    ) -> Sequence[tuple[Lease, Run, tuple[Event, ...]]]:
        """See ``Ledger.claim``."""
        return await self._writer.run(claim.claim, worker, limit, lease_s, terms)

    async def renew(self, worker: str, held: Iterable[str], lease_s: float = 30.0) -> Renewed:
        """See ``Ledger.renew``."""
        # A lease does not outlive the process, so that it need not outlive the power either.
        return await self._writer.run_relaxed(claim.renew, worker, list(held), lease_s)

    async def sweep(self, max_crashes: int) -> Sequence[tuple[Run, tuple[Event, ...]]]:
        """See ``Ledger.sweep``."""
        return await self._writer.run(claim.sweep, max_crashes)

    async def commit(self, lease: Lease, batch: Batch) -> Committed:
        """See ``Ledger.commit``."""
        if batch.deltas_only and not self._fsync_deltas:
            return await self._writer.run_relaxed(commit.commit, lease, batch)
        return await self._writer.run(commit.commit, lease, batch)

    async def cancel(
        self, tenant: str, run_id: str, reason: str = "", *, rollback: bool = False
    ) -> tuple[Run, tuple[Event, ...]]:
        """See ``Ledger.cancel``."""
        return await self._writer.run(signals.cancel, tenant, run_id, reason, rollback)

    async def answer(
        self, tenant: str, run_id: str, answers: Mapping[str, Json], by: str
    ) -> tuple[Run, tuple[Event, ...]]:
        """See ``Ledger.answer``."""
        return await self._writer.run(signals.answer, tenant, run_id, answers, by)

    async def wake(self, tenant: str, run_id: str) -> None:
        """See ``Ledger.wake``."""
        await self._writer.run(signals.wake, tenant, run_id)

    async def fork(
        self, tenant: str, run_id: str, at_step: int, new_run_id: str, patch: Mapping[str, Json] | None = None
    ) -> Submitted:
        """See ``Ledger.fork``."""
        return await self._writer.run(fork.fork, tenant, run_id, at_step, new_run_id, patch)

    async def delete_run(self, tenant: str, run_id: str) -> None:
        """See ``Ledger.delete_run``."""
        await self._writer.run(signals.delete_run, tenant, run_id)

    # -- runs: reading ------------------------------------------------------------------------------------------------

    async def load(self, tenant: str, run_id: str) -> RunView:
        """See ``Ledger.load``."""
        run = await self._reader.near(reading.read_run, tenant, run_id)
        if run.artifacts:
            return await self._reader.apart(reading.read_view, tenant, run_id)
        return await self._reader.near(reading.read_view, tenant, run_id) if run.interrupts else RunView(run)

    async def find_run(self, tenant: str, idempotency_key: str) -> Run | None:
        """See ``Ledger.find_run``."""
        return await self._reader.near(reading.read_run_by_key, tenant, idempotency_key)

    async def journal(self, tenant: str, run_id: str) -> Mapping[str, Step]:
        """See ``Ledger.journal``."""
        return await self._reader.apart(reading.read_journal, tenant, run_id)

    async def runs(
        self, tenant: str, where: RunFilter, limit: int = 50, cursor: str | None = None, *, bare: bool = False
    ) -> Page[RunView]:
        """See ``Ledger.runs``."""
        return await self._reader.apart(listing.read_runs, tenant, where, limit, cursor, bare)

    async def events(
        self, tenant: str, thread_id: str, after: int = 0, limit: int = 1000, run_id: str | None = None
    ) -> Sequence[Event]:
        """See ``Ledger.events``."""
        if run_id is not None:
            return await self._reader.apart(reading.read_events, tenant, thread_id, after, limit, run_id)
        few = await self._reader.near(reading.read_events, tenant, thread_id, after, min(limit, _FEW_EVENTS), None)
        if len(few) < _FEW_EVENTS or limit <= _FEW_EVENTS:
            return few
        rest = limit - len(few)
        return few + await self._reader.apart(reading.read_events, tenant, thread_id, few[-1].seq, rest, None)

    async def next_due(self) -> int | None:
        """See ``Ledger.next_due``."""
        return self._reader.here(reading.read_next_due)

    async def queue_depth(self) -> int:
        """See ``Ledger.queue_depth``."""
        return self._reader.here(reading.read_depth)


def _open(path: Path, masters: MasterKeys | None, blobs: Blobs | None) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    db = connect_writer(path)
    try:
        migrate(db)
        check_keys(db, masters)
        check_blobs(db, blobs)
    except sqlite3.Error as error:
        db.close()
        raise translated(error) from error
    except BaseException:
        db.close()
        raise
    return db


async def _claimed(db: sqlite3.Connection, blobs: Blobs | None) -> str:
    """The ledger's name, under which the place of its blobs is its own."""
    try:
        name = ledger_name(db)
        if blobs is not None:
            await blobs.claim(name)
    except BaseException:
        db.close()
        raise
    return name
