"""What work costs as it grows: the same runs over an empty ledger and over one with a million finished runs, lists and
searches there, more at once, open streams, waiting runs.

    python bench/scale.py [--runs 1000000] [--storage postgresql://…] [--only grown|concurrent|streams|parked]

Takes minutes and gigabytes; not a part of ``make bench``. The control of a figure is the same figure of an empty server
in the same run.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import statistics
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Generator, Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import psutil
from measure import dragoman, free_port, http_request, load, server
from scale_fill import fill_postgres, fill_sqlite
from scale_streams import open_streams

RUN = http_request("/runs/wait", {"agent_id": "everyday", "input": {"text": "hello"}})
SDK = {"Content-Type": "application/json", "User-Agent": "langgraph-sdk-py/0.4.14"}
A2A = {"Content-Type": "application/json", "A2A-Version": "1.0"}
Request = tuple[str, str, Any, dict[str, str]]


class Client:
    """One keep-alive connection."""

    def __init__(self, port: int) -> None:
        self._http = HTTPConnection("127.0.0.1", port, timeout=120)

    def ask(self, method: str, path: str, body: Any, headers: dict[str, str]) -> tuple[float, Any]:
        """Seconds, and the answer."""
        raw = None if body is None else json.dumps(body)
        began = time.perf_counter()
        self._http.request(method, path, raw, headers)
        answer = self._http.getresponse()
        read = answer.read()
        took = time.perf_counter() - began
        if answer.status != 200:
            raise RuntimeError(f"{method} {path}: {answer.status} {read[:300]!r}")
        return took, json.loads(read)


@contextlib.contextmanager
def serving(folder: Path, storage: str | None) -> Generator[tuple[int, psutil.Process]]:
    """The server on the file in ``folder``, or on a database."""
    port = free_port()
    os.environ["DRAGOMAN_SERVER__CONNECTION_LIMIT"] = "15000"  # 4,096 by default
    command = dragoman(port, folder)
    if storage:
        command[command.index("--storage") + 1] = storage
    with server(command, port, quiet=True) as process:
        yield port, process


def templates(port: int, threads: int = 8, runs: int = 5) -> list[str]:
    """A few threads with everyday runs, to be copied."""
    client = Client(port)
    made: list[str] = []
    for number in range(threads):
        _, thread = client.ask("POST", "/threads", {"metadata": {"team": f"team-{number}"}}, SDK)
        id = thread["thread_id"]
        client.ask("PATCH", f"/threads/{id}", {"metadata": {"case": id}}, SDK)
        client.ask("POST", f"/threads/{id}/state", {"values": {"order": id, "stage": f"stage-{number}"}}, SDK)
        for _ in range(runs):
            body = {"assistant_id": "everyday", "input": {"text": "hello"}, "metadata": {"of": id}}
            client.ask("POST", f"/threads/{id}/runs/wait", body, SDK)
        made.append(id)
    return made


def cost(port: int, process: psutil.Process, at_once: int = 16, seconds: float = 4.0, rounds: int = 3) -> float:
    """µs of the server's CPU for a run."""
    return statistics.median(load(process, port, RUN, at_once, seconds).cpu_us for _ in range(rounds))


def questions(threads: list[str]) -> dict[str, Callable[[], Request]]:
    """Lists and searches that people's programs ask for, each of another thread every time."""

    def any_thread() -> str:
        return random.choice(threads)

    def search(**body: Any) -> Callable[[], Request]:
        return lambda: ("POST", "/threads/search", {k: v() if callable(v) else v for k, v in body.items()}, SDK)

    def runs(**body: Any) -> Callable[[], Request]:
        called = {"Content-Type": "application/json"}
        return lambda: ("POST", "/runs/search", {k: v() if callable(v) else v for k, v in body.items()}, called)

    def tasks(**params: Any) -> Callable[[], Request]:
        asked = {"jsonrpc": "2.0", "id": 1, "method": "ListTasks"}
        made = {k: v() if callable(v) else v for k, v in params.items()}
        return lambda: ("POST", "/a2a/everyday", {**asked, "params": made}, A2A)

    return {
        "a thread's runs": lambda: ("GET", f"/threads/{any_thread()}/runs?limit=10", None, SDK),
        "a thread's history": lambda: ("GET", f"/threads/{any_thread()}/history?limit=10", None, SDK),
        "a thread's state": lambda: ("GET", f"/threads/{any_thread()}/state", None, SDK),
        "newest threads": search(limit=10),
        "threads of a team (one of 8)": search(limit=10, metadata={"team": "team-3"}),
        "the thread of a case": search(limit=10, metadata=lambda: {"case": any_thread()}),
        "threads of a case that is not": search(limit=10, metadata={"case": "none"}),
        "the thread with a value": search(limit=10, values=lambda: {"order": any_thread()}),
        "threads with a value (one of 8) by their last change": search(
            limit=10, values={"stage": "stage-3"}, sort_by="updated_at"
        ),
        "idle threads": search(limit=10, status="idle"),
        "waiting threads (none)": search(limit=10, status="interrupted"),
        "threads by their last change": search(limit=10, sort_by="updated_at", sort_order="asc"),
        "threads past an offset of 1,000": search(limit=10, offset=1_000),
        "newest runs": runs(limit=10),
        "runs of a thread": runs(limit=10, thread_id=any_thread),
        "failed runs (none)": runs(limit=10, status="error"),
        "runs of a case": runs(limit=10, metadata=lambda: {"of": any_thread()}),
        "A2A tasks": tasks(pageSize=10),
        "A2A tasks of a context": tasks(pageSize=10, contextId=any_thread()),
        "A2A tasks at work (none)": tasks(pageSize=10, status="TASK_STATE_WORKING"),
    }


def lists(port: int, threads: list[str], number: int = 300) -> dict[str, dict[str, float]]:
    """p50 and p99 of each question, in ms, asked one after another."""
    client = Client(port)
    found: dict[str, dict[str, float]] = {}
    for name, made in questions(threads).items():
        client.ask(*made())
        times = sorted(client.ask(*made())[0] * 1e3 for _ in range(number))
        found[name] = {"p50_ms": round(times[number // 2], 2), "p99_ms": round(times[int(number * 0.99)], 2)}
    return found


def fill(folder: Path, storage: str | None, threads: list[str], runs: int) -> int:
    """Copy threads until there are as many runs more; how many events."""
    return fill_postgres(storage, threads, runs) if storage else fill_sqlite(folder / "bench.db", threads, runs)


def some_threads(port: int, number: int = 500) -> list[str]:
    """Ids of threads that are there, newest and older."""
    client = Client(port)
    found: list[str] = []
    for offset in (0, 5_000, 20_000):
        body = {"limit": number // 3, "offset": offset, "select": ["thread_id"]}
        found += [t["thread_id"] for t in client.ask("POST", "/threads/search", body, SDK)[1]]
    return found


def grown(folder: Path, storage: str | None, runs: int) -> dict[str, Any]:
    """A run's cost beside that of an empty ledger, in turns, and lists before and after."""
    with serving(folder, storage) as (port, process):
        copied = templates(port)
        cost(port, process, rounds=1)
        empty_lists = lists(port, some_threads(port), 100)
    began = time.perf_counter()
    events = fill(folder, storage, copied, runs)
    filled = time.perf_counter() - began
    with (
        tempfile.TemporaryDirectory() as fresh,
        serving(Path(fresh), database(storage, "empty")) as (empty_port, empty_process),
        serving(folder, storage) as (port, process),
    ):
        templates(empty_port)
        pairs: list[tuple[float, float]] = []
        for seconds in (1.0, *[4.0] * 5):
            empty = cost(empty_port, empty_process, seconds=seconds, rounds=1)
            pairs.append((empty, cost(port, process, seconds=seconds, rounds=1)))
        memory = process.memory_info().rss / 1e6
        found = lists(port, some_threads(port))
    return {
        "runs": runs,
        "events": events,
        "filled_s": round(filled),
        "run_cpu_us_empty": round(statistics.median(empty for empty, _ in pairs[1:])),
        "run_cpu_us": round(statistics.median(full for _, full in pairs[1:])),
        "ratio": round(statistics.median(full / empty for empty, full in pairs[1:]), 3),
        "limit": 1.2,
        "memory_mb": round(memory),
        "lists_empty": empty_lists,
        "lists": found,
        "lists_p99_ms": max(one["p99_ms"] for one in found.values()),
        "lists_limit_ms": 20.0,
    }


def concurrent(folder: Path, storage: str | None) -> dict[str, Any]:
    """A run's cost at 1 to 64 at once."""
    with serving(folder, storage) as (port, process):
        cost(port, process, seconds=1.0, rounds=1)
        found = {n: cost(port, process, n) for n in (1, 4, 16, 64)}
    return {f"run_cpu_us_c{n}": round(us) for n, us in found.items()}


def streams(folder: Path, storage: str | None, counts: Iterator[int]) -> dict[str, Any]:
    """Memory of the server for each open stream of a thread, and its CPU while nothing happens (but heartbeats)."""
    found: dict[str, Any] = {}
    with serving(folder, storage) as (port, process):
        _, thread = Client(port).ask("POST", "/threads", {}, SDK)
        path = f"/threads/{thread['thread_id']}/stream"
        with open_streams(port, path, 200):
            pass  # what the first ones make grow is not theirs
        for count in counts:
            before = process.memory_info().rss
            with open_streams(port, path, count):
                if (there := _open_connections(process)) < count:
                    raise RuntimeError(f"{there} of {count} streams are open")
                each = (process.memory_info().rss - before) / count
                idle = psutil.Process(process.pid).cpu_times()
                time.sleep(10)
                after = process.cpu_times()
                found[f"{count}"] = {
                    "bytes_each": round(each),
                    "limit_bytes": 40_000,
                    "idle_cpu_percent": round((after.user + after.system - idle.user - idle.system) * 10, 2),
                }
    return found


def _open_connections(process: psutil.Process) -> int:
    return sum(1 for one in process.net_connections("tcp") if one.status == psutil.CONN_ESTABLISHED)


def parked(folder: Path, storage: str | None, count: int) -> dict[str, Any]:
    """What waiting runs cost a server that started with them, beside the same server without: memory, wake-ups."""

    def idle() -> tuple[float, int]:
        with serving(folder, storage) as (port, process):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=10)
            time.sleep(3)
            before = process.num_ctx_switches().voluntary
            time.sleep(10)
            return process.memory_info().rss / 1e6, process.num_ctx_switches().voluntary - before

    with serving(folder, storage) as (port, _):
        body = {"agent_id": "park", "input": {"text": "it"}}
        _, made = Client(port).ask("POST", "/runs/wait", body, {"Content-Type": "application/json"})
    memory, switches = idle()
    fill(folder, storage, [made["run"]["thread_id"]], count)
    full_memory, full_switches = idle()
    return {
        "parked": count,
        "memory_mb": round(full_memory, 1),
        "memory_mb_without": round(memory, 1),
        "wakeups_in_10s": full_switches,
        "wakeups_in_10s_without": switches,
    }


def main() -> None:
    """Each part on a ledger of its own."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=1_000_000)
    parser.add_argument("--parked", type=int, default=100_000)
    parser.add_argument("--streams", type=int, default=10_000)
    parser.add_argument("--storage", help="a Postgres database of its own for each part: its name gets the part's name")
    parser.add_argument("--only", choices=["grown", "concurrent", "streams", "parked"])
    chosen = parser.parse_args()
    parts: dict[str, Callable[[Path, str | None], dict[str, Any]]] = {
        "grown": lambda folder, storage: grown(folder, storage, chosen.runs),
        "concurrent": concurrent,
        "streams": lambda folder, storage: streams(folder, storage, iter([1, 100, 1_000, chosen.streams])),
        "parked": lambda folder, storage: parked(folder, storage, chosen.parked),
    }
    found: dict[str, Any] = {}
    for name, part in parts.items():
        if chosen.only in (None, name):
            with tempfile.TemporaryDirectory() as folder:
                found[name] = part(Path(folder), database(chosen.storage, name))
                print(json.dumps({name: found[name]}, indent=2), flush=True)
    if not found:
        sys.exit(2)


def database(storage: str | None, part: str) -> str | None:
    """A new database beside the one that is named, for one part."""
    if storage is None:
        return None
    import psycopg
    from psycopg.conninfo import conninfo_to_dict

    name = f"scale_{part}_{time.time_ns()}"
    with psycopg.connect(storage, autocommit=True) as db:
        db.execute(f"CREATE DATABASE {name}".encode())
    old = str(conninfo_to_dict(storage)["dbname"])
    return storage.replace(f"/{old}", f"/{name}", 1)


if __name__ == "__main__":
    main()
