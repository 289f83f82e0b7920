"""How long a commit on Postgres takes while a whole day of events is dropped, beside how long it takes without.

    python bench/retention_postgres.py postgresql:///postgres?host=/run/postgres [EVENTS [KEPT]]

Needs an empty database. A day of ten days ago gets EVENTS events (200,000), ten a thread; the threads of the first KEPT
of a hundred tenants (10) are kept whole by a longer age, of each other thread one event stays as the mark. Eight
runs commit a step and an event each, one after the other, meanwhile. Then the same while somebody else reads events in
a transaction that stays open for some seconds, as an export or a dump does.
"""

from __future__ import annotations

import asyncio
import sys
import time

import psycopg
from retention import told

from dragoman.memory.ids import now_micros, uuid7
from dragoman.memory.ledger import Batch, Lease, NewEvent, NewStep, Submission
from dragoman.memory.model import StepStatus
from dragoman.memory.postgres.ledger import PostgresLedger

_DAY = 86_400_000_000
_BACK = 10
_AT_ONCE = 8
_PAUSE = 0.005  # seconds between two commits of a run
_READS_S = 5.0
_THREAD = 10  # events
_FILL = """
INSERT INTO threads
    (tenant, id, ordinal, status, created_at, updated_at, checkpoint, metadata, last_seq, first_at, last_at)
SELECT 't' || n %% 100, %(mark)s || n, n, 'idle', %(at)s, %(at)s, 0, '{}', 10, %(at)s, %(at)s + 1000
FROM generate_series(1, %(threads)s) AS n;
INSERT INTO events (tenant, thread_id, seq, run_id, type, at, data)
SELECT 't' || n %% 100, %(mark)s || n, seq, 'r' || n, 'note', %(at)s + seq, convert_to(repeat('x', 300), 'UTF8')
FROM generate_series(1, %(threads)s) AS n, generate_series(1, 10) AS seq;
"""


def _fill(url: str, back: int, events: int) -> None:
    day = now_micros() // _DAY - back
    with psycopg.connect(url, autocommit=True) as db:
        name = f"events_{time.strftime('%Y%m%d', time.gmtime(day * 86400))}"
        bounds = f"FOR VALUES FROM ({day * _DAY}) TO ({(day + 1) * _DAY})"
        db.execute(f"CREATE TABLE IF NOT EXISTS {name} PARTITION OF events {bounds}".encode())
        values = {"mark": f"{back}-", "at": day * _DAY, "threads": events // _THREAD}
        with psycopg.ClientCursor(db) as cursor:
            cursor.execute(_FILL.encode(), values)
        db.execute("ANALYZE")


async def _commits(ledger: PostgresLedger, lease: Lease, over: asyncio.Event) -> list[tuple[float, float]]:
    times: list[tuple[float, float]] = []
    while not over.is_set():
        began = time.perf_counter()
        step = NewStep(uuid7(), StepStatus.FINISHED, result=1)
        await ledger.commit(lease, Batch(steps=[step], events=[NewEvent("note", {"text": "x" * 100})]))
        times.append((began, time.perf_counter()))
        await asyncio.sleep(_PAUSE)
    return times


class _Load:
    """Commits from entry on, until they are asked for."""

    def __init__(self, ledger: PostgresLedger, leases: list[Lease]) -> None:
        self._over = asyncio.Event()
        self._tasks = [asyncio.create_task(_commits(ledger, lease, self._over)) for lease in leases]

    async def end(self, since: float = 0.0, until: float = float("inf")) -> list[float]:
        """How long each took that was under way between two times, sorted; milliseconds."""
        self._over.set()
        found = [pair for times in await asyncio.gather(*self._tasks) for pair in times]
        return sorted((end - begin) * 1000 for begin, end in found if end > since and begin < until)


async def _reader(url: str) -> None:
    async with await psycopg.AsyncConnection.connect(url) as db:
        await db.execute("SELECT 1 FROM events LIMIT 1")
        await asyncio.sleep(_READS_S)


async def main(url: str, events: int, kept: int) -> None:
    """Print the figures."""
    ledger, other = PostgresLedger(url), PostgresLedger(url)
    await ledger.open()
    await other.open()
    for back in (_BACK, _BACK - 1):
        await asyncio.to_thread(_fill, url, back, events)
    leases: list[Lease] = []
    for _ in range(_AT_ONCE):
        born = await ledger.submit(Submission("live", "a", "1", uuid7()), "w", 3600.0)
        assert born.lease is not None
        leases.append(born.lease)
    load = _Load(ledger, leases)
    await asyncio.sleep(10)
    print(told("quiet", await load.end()))
    keeping = [f"t{n}" for n in range(kept)]
    for name, back in (("drop", _BACK), ("drop beside a reader", _BACK - 1)):
        load = _Load(ledger, leases)
        await asyncio.sleep(2)
        reading = asyncio.create_task(_reader(url)) if back != _BACK else None
        await asyncio.sleep(0.2)
        began = time.perf_counter()
        gone = await other.drop_days((now_micros() // _DAY - back + 1) * _DAY, keeping)
        ended = time.perf_counter()
        if reading is not None:
            await reading
        counts = ", ".join(f"{day.dropped} dropped, {day.kept} kept" for day in gone)
        print(told(f"{name}: {counts or 'nothing'}, in {ended - began:.1f} s", await load.end(began, ended)))
    await ledger.close()
    await other.close()


if __name__ == "__main__":
    given = [int(value) for value in sys.argv[2:4]]
    asyncio.run(main(sys.argv[1], given[0] if given else 200_000, given[1] if len(given) > 1 else 10))
