"""What the ledger's commits on Postgres cost, beside the floor of their inserts. Needs a durable server: DATABASE_URL.

    python bench/postgres.py postgresql:///postgres?host=/run/postgres

The floor is one transaction of one INSERT, by psycopg; beside it the floor of a step's own rows (a step, an event, the
thread's number) in one pipelined transaction. A row of the table is the time of one commit, at 1 and at 16 at once.
Not a test: figures of a machine under load mean little.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Callable

import psycopg

from dragoman.memory.ids import uuid7
from dragoman.memory.ledger import Batch, Change, Lease, NewEvent, NewStep, Submission
from dragoman.memory.model import RunStatus, StepStatus
from dragoman.memory.postgres.ledger import PostgresLedger

Work = Callable[[int], Awaitable[object]]
_TABLE = """CREATE TABLE IF NOT EXISTS bench_floor
    (tenant text, id text, seq bigint, data bytea, PRIMARY KEY (tenant, id, seq))"""
_UPDATE = "UPDATE bench_floor SET seq = seq + 1 WHERE tenant = 'acme' AND id = 'none' AND seq = %s"
_INSERT = "INSERT INTO bench_floor VALUES ('acme', %s, %s, %s)"


async def timed(work: Work, number: int, at_once: int) -> tuple[float, float]:
    """Milliseconds of wall and of this process's CPU for each of ``number`` calls."""
    left = iter(range(number))

    async def take() -> None:
        for n in left:
            await work(n)

    wall, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(take() for _ in range(at_once)))
    return (time.perf_counter() - wall) / number * 1e3, (time.process_time() - cpu) / number * 1e3


async def floor(url: str, number: int, at_once: int, *, rows_of_a_step: bool = False) -> tuple[float, float]:
    connections = [await psycopg.AsyncConnection.connect(url, autocommit=True) for _ in range(at_once)]
    await connections[0].execute(_TABLE)
    free = list(connections)

    async def insert(n: int) -> None:
        connection = free.pop()
        if rows_of_a_step:
            id_ = uuid7()
            async with connection.pipeline(), connection.transaction():
                for thread in (f"{id_}-step", f"{id_}-event"):
                    await connection.execute(_INSERT, (thread, n, b"x" * 100), prepare=True)
                await connection.execute(_UPDATE, (n,), prepare=True)
            free.append(connection)
            return
        await connection.execute(_INSERT, (uuid7(), n, b"x" * 100), prepare=True)
        free.append(connection)

    found = await timed(insert, number, at_once)
    for connection in connections:
        await connection.close()
    return found


async def measure(url: str) -> None:
    ledger = PostgresLedger(url, connections=16)
    await ledger.open()
    print(f"{'':32}{'ms':>8}{'× floor':>9}{'CPU µs':>8}")
    for at_once in (1, 16):
        number = 400 * (1 if at_once == 1 else 4)
        base, cpu = await floor(url, number, at_once)
        print(f"{f'floor: one INSERT, c={at_once}':32}{base:8.3f}{1:9.2f}{cpu * 1e3:8.0f}")
        wall, cpu = await floor(url, number, at_once, rows_of_a_step=True)
        print(f"{f'floor: rows of a step, c={at_once}':32}{wall:8.3f}{wall / base:9.2f}{cpu * 1e3:8.0f}")
        leases: list[Lease] = []

        async def born(_: int, leases: list[Lease] = leases) -> None:
            made = await ledger.submit(Submission("acme", "a", "1", uuid7(), {"n": 1}), "w", 600.0)
            assert made.lease is not None
            leases.append(made.lease)

        async def step(n: int, leases: list[Lease] = leases) -> None:
            await ledger.commit(leases[n], Batch(steps=[NewStep("s", StepStatus.FINISHED, result=n)]))

        async def text(n: int, leases: list[Lease] = leases) -> None:
            await ledger.commit(leases[n], Batch(events=[NewEvent("text", {"text": "hello"})], deltas_only=True))

        async def end(n: int, leases: list[Lease] = leases) -> None:
            await ledger.commit(leases[n], Batch(values={"n": n}, change=Change(RunStatus.SUCCEEDED, n)))

        works: list[tuple[str, Work]] = [("born run", born), ("step", step), ("text", text), ("values and end", end)]
        for name, work in works:
            wall, cpu = await timed(work, number, at_once)
            print(f"{f'{name}, c={at_once}':32}{wall:8.3f}{wall / base:9.2f}{cpu * 1e3:8.0f}")
    await latency(url, ledger)
    await ledger.close()


async def latency(url: str, here: PostgresLedger) -> None:
    """From a commit here to its news there."""
    there = PostgresLedger(url, connections=2)
    await there.open()
    news = there.news()
    await anext(news)
    delays: list[float] = []
    for _ in range(100):
        begun = time.perf_counter()
        await here.submit(Submission("acme", "a", "1", uuid7()))
        await anext(news)
        delays.append((time.perf_counter() - begun) * 1e3)
    await news.aclose()
    await there.close()
    delays.sort()
    print(f"news of a submission elsewhere: p50 {delays[50]:.1f} ms, p99 {delays[99]:.1f} ms")


if __name__ == "__main__":
    asyncio.run(measure(sys.argv[1] if len(sys.argv) > 1 else os.environ["DATABASE_URL"]))
