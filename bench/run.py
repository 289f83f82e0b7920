"""All benchmarks, in one table and one JSON file. ``make bench``; ``--quick`` for a short form.

A ratio is against a control measured in the same run on the same machine. CPU is what the server's process used, on
one core, while the load came from another. Nothing here fails a build; a limit that is missed is marked.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import a2a_peers
import faces
import langgraph_dev
import ledger
import mcp_list
import mcp_peers
import parked
import recovery
import sealing
import start
import streaming
from rich.console import Console
from rich.table import Table


def _face_rows(stack: str) -> list[tuple[str, str, str, str]]:
    rows = [(f"bare echo on {stack}, CPU", f"faces.{stack}.control_cpu_us", "", "µs")]
    for name in faces.REQUESTS:
        at = f"faces.{stack}.faces.{name}"
        rows += [
            (f"{name} on {stack}, CPU", f"{at}.cpu_us", "", "µs"),
            (f"{name} on {stack}, CPU against the echo", f"{at}.ratio", f"{at}.limit", "×"),
            (f"{name} on {stack}, p50 at c=1", f"{at}.p50_ms_c1", f"{at}.p50_limit_ms_c1", "ms"),
            (f"{name} on {stack}, at c=16", f"{at}.per_second_c16", "", "/s"),
        ]
    return rows


# name, the figure's path, the limit's path ("" for none), and the unit
ROWS: list[tuple[str, str, str, str]] = [
    *[row for stack in faces.STACKS for row in _face_rows(stack)],
    *[
        row
        for stack in faces.STACKS
        for row in (
            (f"durable tools/call on {stack}, CPU", f"mcp_peers.{stack}.cpu_us", "", "µs"),
            (
                f"… against the SDK's echo on {stack}",
                f"mcp_peers.{stack}.sdk_ratio",
                f"mcp_peers.{stack}.sdk_limit",
                "×",
            ),
        )
    ],
    ("… against fastmcp's echo on h11", "mcp_peers.h11.fastmcp_ratio", "mcp_peers.h11.fastmcp_limit", "×"),
    *[
        row
        for stack in faces.STACKS
        for row in (
            (f"durable SendMessage on {stack}, CPU", f"a2a_peers.{stack}.cpu_us", "", "µs"),
            (
                f"… against the SDK's server in memory on {stack}",
                f"a2a_peers.{stack}.sdk_ratio",
                f"a2a_peers.{stack}.sdk_limit",
                "×",
            ),
        )
    ],
    ("event of an A2A stream, CPU", "a2a_peers.event_us", "a2a_peers.event_limit_us", "µs"),
    ("… of the SDK's server in memory", "a2a_peers.sdk_event_us", "", "µs"),
    ("memory of a waiting A2A task", "a2a_peers.waiting_bytes", "a2a_peers.waiting_limit_bytes", "B"),
    ("… in the SDK's server", "a2a_peers.sdk_waiting_bytes", "", "B"),
    ("LangGraph SDK: thread and runs/wait, p50 at c=1", "langgraph_dev.ours.wait_p50_ms_c1", "", "ms"),
    ("LangGraph SDK: first event of a stream, p50 at c=1", "langgraph_dev.ours.first_event_p50_ms_c1", "", "ms"),
    ("LangGraph SDK: threads with a run, at c=16", "langgraph_dev.ours.runs_per_second_c16", "", "/s"),
    ("… times faster than langgraph dev at c=1 (aimed at: 100)", "langgraph_dev.times_faster_c1", "", "×"),
    ("… its first event, times", "langgraph_dev.first_event_times_faster", "", "×"),
    ("… times its runs at c=16 (aimed at: 50)", "langgraph_dev.times_the_runs_c16", "", "×"),
    ("tools/list of 1,000 tools, first page, CPU", "mcp_list.first_page_ms", "mcp_list.limit_ms", "ms"),
    ("… after a change of the list", "mcp_list.after_a_change_ms", "mcp_list.limit_ms", "ms"),
    ("… kept", "mcp_list.kept_ms", "", "ms"),
    ("step commit, one INSERT+COMMIT", "ledger.floor_ms", "", "ms"),
    ("step commit at c=1", "ledger.c1_ratio", "", "×"),
    ("step commit at c=16, runs of 20 steps", "ledger.c16_ratio", "ledger.limit_c16_ratio", "×"),
    ("step commit at c=16, runs of hundreds", "ledger.long_c16_ratio", "", "×"),
    *[(f"{work}, sealed against not", f"sealing.{work}.ratio", f"sealing.{work}.limit", "×") for work in sealing.WORK],
    ("first event", "streaming.first_event_ms_p50", "", "ms"),
    ("events", "streaming.events_per_second", "", "/s"),
    ("event, CPU", "streaming.cpu_us_per_event", "", "µs"),
    ("stdio to first answer", "start.stdio_first_answer_s", "", "s"),
    ("stdio against an SDK echo", "start.stdio_ratio", "start.stdio_limit", "×"),
    ("HTTP ready", "start.http_ready_s", "", "s"),
    ("HTTP ready against the SDKs' import", "start.http_ratio", "start.http_limit", "×"),
    ("idle memory", "start.idle_memory_mb", "start.idle_memory_limit_mb", "MB"),
    ("--help", "start.help_s", "start.command_limit_s", "s"),
    ("connect", "start.connect_s", "start.command_limit_s", "s"),
    ("runs at work when killed", "recovery.at_work", "", ""),
    ("at work again after the start", "recovery.recovered_s", "recovery.recovered_limit_s", "s"),
    ("waiting runs", "parked.parked", "", ""),
    ("memory of the waiting runs", "parked.memory_growth_mb", "parked.memory_limit_mb", "MB"),
    ("ready again with them", "parked.restart_ready_s", "parked.restart_limit_s", "s"),
]


def _at(found: dict[str, Any], path: str) -> Any:
    value: Any = found
    for part in path.split("."):
        value = cast("dict[str, Any]", value).get(part) if isinstance(value, dict) else None
    return value


def table(found: dict[str, Any]) -> Table:
    """The figures for people."""
    drawn = Table(title="Dragoman, measured")
    for column in ("what", "figure", "limit"):
        drawn.add_column(column, justify="left" if column == "what" else "right")
    for name, path, limit_path, unit in ROWS:
        figure = _at(found, path)
        if figure is None:
            continue
        limit = _at(found, limit_path) if limit_path else None
        missed = limit is not None and figure > limit
        style = "red" if missed else "green" if limit is not None else ""
        told = "" if limit is None else f"≤ {limit:g} {unit}"
        drawn.add_row(name, f"{figure:g} {unit}", told, style=style)
    return drawn


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a short form")
    parser.add_argument(
        "--only",
        choices=[
            "faces",
            "mcp_peers",
            "a2a_peers",
            "langgraph_dev",
            "mcp_list",
            "ledger",
            "sealing",
            "streaming",
            "start",
            "parked",
            "recovery",
        ],
        action="append",
    )
    parser.add_argument("--json", type=Path, default=Path("bench/results.json"))
    chosen = parser.parse_args()
    quick: bool = chosen.quick
    parts: dict[str, Callable[[], dict[str, Any]]] = {
        "ledger": lambda: ledger.measure(400 if quick else 2000),
        "faces": lambda: faces.measure(2.0 if quick else 5.0, 1 if quick else 3),
        "mcp_peers": lambda: mcp_peers.measure(2.0 if quick else 5.0, 1 if quick else 3),
        "a2a_peers": lambda: a2a_peers.measure(
            2.0 if quick else 5.0, 1 if quick else 3, 5_000, 2_000 if quick else 10_000
        ),
        "langgraph_dev": lambda: langgraph_dev.measure(2.0 if quick else 10.0),
        "mcp_list": lambda: mcp_list.measure(5 if quick else 25),
        "sealing": lambda: sealing.measure(0.8 if quick else 1.5, 1 if quick else 5),
        "streaming": lambda: streaming.measure(2000 if quick else 10_000, 10 if quick else 50),
        "start": lambda: start.measure(2 if quick else 5),
        "recovery": lambda: recovery.measure(50),
        "parked": lambda: parked.measure(2_000 if quick else 10_000),
    }
    found: dict[str, Any] = {"python": platform.python_version(), "machine": platform.machine()}
    for name, part in parts.items():
        if chosen.only is None or name in chosen.only:
            print(f"measuring {name} ...", file=sys.stderr, flush=True)
            found[name] = part()
    Console().print(table(found))
    chosen.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
