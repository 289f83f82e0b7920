"""What the ledger's commits on Postgres cost, beside the floor of their rows, and a durable run beside a bare echo.

    python bench/postgres.py postgresql:///postgres?host=/run/postgres [--quick]

Needs a server that keeps what it has committed, with an empty database or one that these tables may be in. Controls in
the same run: one INSERT and its COMMIT; the rows of a commit in a transaction each, which is the floor that the limit
is of; and the strictest, the same rows with all that come at once in one transaction, as the ledger has it, and nothing
else: no lock, no fence, no rule, no answer. A ratio is of the medians of several rounds that take turns. Not a test:
figures of a machine under load mean little.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any

import faces
import psycopg
from measure import HERE, Load, free_port, http_request, load, server

from dragoman.memory.ids import now_micros, uuid7
from dragoman.memory.ledger import Batch, Change, Lease, NewEvent, NewStep, Submission
from dragoman.memory.model import RunStatus, StepStatus
from dragoman.memory.postgres.dialect import OWN, several
from dragoman.memory.postgres.ledger import PostgresLedger
from dragoman.memory.postgres.wire import Connection

Work = Callable[[int], Awaitable[object]]
Rows = dict[str, list[tuple[object, ...]]]
COMMITS = ("born run", "step", "text", "values and end", "run that is written once")
LIMIT = 1.3  # × its rows, 16 at once
ECHO_LIMIT = 6.0
_TABLE = """CREATE TABLE IF NOT EXISTS bench_floor
    (tenant text, id text, seq bigint, data bytea, PRIMARY KEY (tenant, id, seq))"""
_ORDINALS = count(now_micros())  # above those that the ledger gives
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


async def one_insert(url: str, number: int, at_once: int) -> tuple[float, float]:
    """One transaction of one INSERT, by psycopg."""
    connections = [await psycopg.AsyncConnection.connect(url, autocommit=True) for _ in range(at_once)]
    await connections[0].execute(_TABLE)
    free = list(connections)

    async def insert(n: int) -> None:
        connection = free.pop()
        await connection.execute(_INSERT, (uuid7(), n, b"x" * 100), prepare=True)
        free.append(connection)

    found = await timed(insert, number, at_once)
    for connection in connections:
        await connection.close()
    return found


class Control:
    """Rows as they are, by the ledger's driver; what comes while a transaction is under way is the next one."""

    def __init__(self, connections: list[Connection]) -> None:
        self._connection, *self._free = connections
        self._waiting: list[tuple[Rows, asyncio.Future[None]]] = []
        self._drain: asyncio.Task[None] | None = None

    async def insert(self, rows: Rows) -> None:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((rows, done))
        if self._drain is None:
            self._drain = asyncio.create_task(self._drained())
        await done

    async def insert_alone(self, rows: Rows) -> None:
        """The same rows in a transaction of their own, on one of 16 connections."""
        connection = self._free.pop()
        await connection.exchange(self._transaction([rows]))
        self._free.append(connection)

    async def _drained(self) -> None:
        while self._waiting:
            taken, self._waiting = self._waiting, []
            await self._connection.exchange(self._transaction([rows for rows, _ in taken]))
            for _, done in taken:
                done.set_result(None)
        self._drain = None

    def _transaction(self, taken: list[Rows]) -> list[tuple[str, Any]]:
        batch: list[tuple[str, Any]] = [("BEGIN", ())]
        for name in taken[0]:
            batch += self._statements(name, [row for rows in taken for row in rows[name]])
        return [*batch, ("COMMIT", ())]

    def _statements(self, name: str, rows: list[tuple[object, ...]]) -> list[tuple[str, Any]]:
        if name == "move_threads":
            columns = ("{" + ",".join(map(str, column)) + "}" for column in zip(*rows, strict=True))
            return [(OWN[name].text, ("floor", *columns))]
        made: list[tuple[str, Any]] = []
        while rows:
            size = 1 << (min(len(rows), 64).bit_length() - 1)
            values = [value for row in rows[:size] for value in row]
            made.append((several(OWN[name], len(rows[0]), size).text, values))
            rows = rows[size:]
        return made


def _step_rows(thread: str, seq: int) -> Rows:
    now, run = now_micros(), uuid7()
    return {
        "insert_final_step": [("floor", run, "s", "finished", "", 1, 0, now, b"1", None)],
        "insert_event": [("floor", thread, seq, run, "step.finished", now, b'{"step":"s","result":1}')],
        "move_threads": [(thread, seq, 0, "busy", "NULL", now_micros())],
    }


def _text_rows(thread: str, seq: int) -> Rows:
    return {
        "insert_event": [("floor", thread, seq, uuid7(), "text", now_micros(), b'{"text":"hello"}')],
        "move_threads": [(thread, seq, 0, "busy", "NULL", now_micros())],
    }


# Of the commits that do more than insert: no row of what they change but the thread's.
def _born_rows() -> Rows:
    now, run, thread = now_micros(), uuid7(), uuid7()
    opened = (next(_ORDINALS), "floor", run, thread, "a", "1", "running", now, now, "", 1, now, None, None, None, "w")
    return {
        "insert_thread": [("floor", thread, now, "busy", now, now, 0, b"{}", 2)],
        "insert_run": [(*opened, now + 600_000_000, 1, 0, 0, b"{}", b'{"n":1}', None, None, now, 0)],
        "insert_event": [
            ("floor", thread, 1, run, "run.queued", now, b'{"agent":"a"}'),
            ("floor", thread, 2, run, "run.started", now, b'{"attempt":1}'),
        ],
    }


def _end_rows(thread: str) -> Rows:
    now, run = now_micros(), uuid7()
    return {
        "insert_checkpoint": [("floor", thread, 1, run, None, now, b'{"n":1}')],
        "insert_event": [
            ("floor", thread, 4, run, "values", now, b'{"values":{"n":1},"checkpoint":1}'),
            ("floor", thread, 5, run, "run.succeeded", now, b'{"output":1}'),
        ],
        "insert_facet": [("floor", "value", "n", "n1", next(_ORDINALS), thread)],
        "move_threads": [(thread, 5, 1, "idle", now, now)],
    }


def _recorded_rows() -> Rows:
    now, run, thread = now_micros(), uuid7(), uuid7()
    ended = (next(_ORDINALS), "floor", run, thread, "a", "1", "succeeded", now, now, "", now, now, None, 0, b"{}")
    rows = _end_rows(thread)
    del rows["move_threads"]
    return {
        "insert_thread": [("floor", thread, now, "idle", now, now, 1, b"{}", 4)],
        "insert_ended_run": [(*ended, b'{"n":1}', None, b"1", None, None)],
        **rows,
        "insert_event": [*_born_rows()["insert_event"], *rows["insert_event"]],
    }


async def _threads(control: Control, number: int) -> list[str]:
    made = [uuid7() for _ in range(number)]
    for id_ in made:
        now = now_micros()
        await control.insert({"insert_thread": [("floor", id_, now, "busy", now, now, 0, b"{}", 0)]})
    return made


async def commits(url: str, number: int, rounds: int) -> None:
    """Each commit and its control in turn."""
    ledger = PostgresLedger(url, connections=16)
    await ledger.open()
    connections = [await Connection.connect(url, autocommit=True) for _ in range(17)]
    for connection in connections:
        await connection.execute("SET plan_cache_mode = force_generic_plan")
    control = Control(connections)
    print(f"{'':48}{'ms':>8}{'CPU µs':>8}{'× INSERT':>10}{'× its rows':>12}{'limit':>7}{'× rows shared':>15}")
    await _round(url, ledger, control, 100, 16)
    # A server gathers statistics within a minute; until then it takes the tables to be empty, and goes through them.
    await connections[0].execute("ANALYZE")
    for at_once in (1, 16):
        found: dict[str, list[tuple[float, float]]] = {}
        for _ in range(rounds):
            for name, measured in (await _round(url, ledger, control, number, at_once)).items():
                found.setdefault(name, []).append(measured)
        _print(found, at_once)
    for connection in connections:
        await connection.close()
    await latency(url, ledger)
    await ledger.close()


def _print(found: dict[str, list[tuple[float, float]]], at_once: int) -> None:
    median = {
        name: (statistics.median(wall for wall, _ in rounds), statistics.median(cpu for _, cpu in rounds) * 1e3)
        for name, rounds in found.items()
    }
    insert = median["one INSERT"][0]
    for name, (wall, cpu) in median.items():
        line = f"{f'{name}, c={at_once}':48}{wall:8.3f}{cpu:8.0f}{wall / insert:10.2f}"
        if name in COMMITS:
            line += f"{wall / median[f'rows of {name}, each alone'][0]:12.2f}{LIMIT if at_once == 16 else '':>7}"
        if (shared := median.get(f"rows of {name}, shared")) is not None:
            line += f"{wall / shared[0]:15.2f}"
        print(line)


async def _round(
    url: str, ledger: PostgresLedger, control: Control, number: int, at_once: int
) -> dict[str, tuple[float, float]]:
    threads = await _threads(control, number)
    leases: list[Lease] = []

    async def born(_: int) -> None:
        made = await ledger.submit(Submission("acme", "a", "1", uuid7(), {"n": 1}), "w", 600.0)
        assert made.lease is not None
        leases.append(made.lease)

    async def step(n: int) -> None:
        await ledger.commit(leases[n], Batch(steps=[NewStep("s", StepStatus.FINISHED, result=n)]))

    async def text(n: int) -> None:
        await ledger.commit(leases[n], Batch(events=[NewEvent("text", {"text": "hello"})], deltas_only=True))

    async def durable_text(n: int) -> None:
        await ledger.commit(leases[n], Batch(events=[NewEvent("text", {"text": "hello"})]))

    async def end(n: int) -> None:
        await ledger.commit(leases[n], Batch(values={"n": n}, change=Change(RunStatus.SUCCEEDED, n)))

    async def record(n: int) -> None:
        now = now_micros()
        batch = Batch(values={"n": n}, change=Change(RunStatus.SUCCEEDED, n))
        await ledger.record(Submission("acme", "a", "1", uuid7(), {"n": 1}), batch, now)

    works: list[tuple[str, Work]] = [
        ("rows of born run, each alone", lambda _: control.insert_alone(_born_rows())),
        ("born run", born),
        ("rows of step, each alone", lambda n: control.insert_alone(_step_rows(threads[n], 0))),
        ("rows of step, shared", lambda n: control.insert(_step_rows(threads[n], 1))),
        ("step", step),
        ("rows of text, each alone", lambda n: control.insert_alone(_text_rows(threads[n], 3))),
        ("rows of text, shared", lambda n: control.insert(_text_rows(threads[n], 2))),
        ("text", durable_text),
        ("text that may be lost", text),
        ("rows of values and end, each alone", lambda n: control.insert_alone(_end_rows(threads[n]))),
        ("values and end", end),
        ("rows of run that is written once, each alone", lambda _: control.insert_alone(_recorded_rows())),
        ("run that is written once", record),
    ]
    found = {"one INSERT": await one_insert(url, number, at_once)}
    for name, work in works:
        found[name] = await timed(work, number, at_once)
    return found


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


def durable_run(url: str, stack: tuple[str, str], seconds: float, rounds: int) -> None:
    """A run over Agent Protocol that is stored on Postgres, and a bare JSON echo: CPU of the server's process."""
    control_port, port = free_port(), free_port()
    echo = http_request("/echo", {"input": {"text": "hello"}})
    request = faces.REQUESTS["agent protocol wait"]
    control_command = [sys.executable, str(HERE / "control.py"), str(control_port), *stack]
    our_command = [sys.executable, str(HERE / "served.py"), str(port), *stack, url]
    with server(control_command, control_port) as bare, server(our_command, port) as ours:
        loads: list[tuple[Load, Load]] = []
        for _ in range(rounds):
            loads.append((load(bare, control_port, echo, 16, seconds), load(ours, port, request, 16, seconds)))
    ratio = statistics.median(run.cpu_us / plain.cpu_us for plain, run in loads)
    cpu, plain = (statistics.median(pair[n].cpu_us for pair in loads) for n in (1, 0))
    per_second = statistics.median(run.per_second for _, run in loads)
    print(
        f"durable run on {stack[1]}, c=16: {cpu:.0f} µs CPU, {ratio:.2f} × a bare echo ({plain:.0f} µs; limit "
        f"{ECHO_LIMIT:g}), {per_second:.0f}/s"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", nargs="?", default=os.environ.get("DATABASE_URL"))
    parser.add_argument("--quick", action="store_true", help="a short form")
    parser.add_argument("--only", choices=["commits", "run"])
    chosen = parser.parse_args()
    if chosen.url is None:
        parser.error("the database's URL is missing; give it here or as DATABASE_URL")
    number, rounds = (400, 3) if chosen.quick else (1600, 5)
    # First, for the commits leave runs that a server would look at.
    if chosen.only != "commits":
        for stack in faces.STACKS.values():
            durable_run(chosen.url, stack, 2.0 if chosen.quick else 5.0, 1 if chosen.quick else 3)
    if chosen.only != "run":
        asyncio.run(commits(chosen.url, number, rounds))


if __name__ == "__main__":
    main()
