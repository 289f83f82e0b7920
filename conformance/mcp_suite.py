"""``make conformance-mcp``: the official MCP conformance suite against Dragoman's own public API.

Starts a real server over the fixtures in ``conformance/mcp``, runs the suite in the versions and selections below,
prints a table of scenarios, and ends with 1 when anything failed. There is no list of expected failures.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from conformance import report
from conformance.results import Scenario, SuiteFailed, read
from conformance.served import Served, ServerFailed, serve
from conformance.tools import ROOT, WORK, Node, install_node, install_suite

__all__ = ["RUNS", "Run", "main"]

FIXTURES: Final = ROOT / "conformance/mcp/dragoman.toml"
DOCUMENT: Final = ROOT / "docs/conformance-mcp.md"
RUN_TIMEOUT: Final = 900.0


@dataclass(frozen=True, slots=True)
class Run:
    """A version of the suite and what is selected of it. ``name`` heads its column."""

    name: str
    version: str
    selection: tuple[str, ...]


RUNS: Final = (
    Run("0.1.16", "0.1.16", ("--suite", "all")),
    Run("0.2.0-alpha.12, 2025-11-25", "0.2.0-alpha.12", ("--requirements", "2025-11-25")),
    Run("0.2.0-alpha.12, 2026-07-28", "0.2.0-alpha.12", ("--requirements", "2026-07-28")),
    Run("0.2.0-alpha.12, all", "0.2.0-alpha.12", ("--suite", "all")),
)


def run_suite(node: Node, run: Run, url: str) -> tuple[Scenario, ...]:
    """One run to its end. Raises ``SuiteFailed`` when it breaks off, not when checks fail."""
    script = install_suite(node, run.version)
    folder = WORK / "results" / run.name.replace(", ", "-")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    command = [str(node.node), str(script), "server", "--url", url, *run.selection, "--output-dir", str(folder)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=RUN_TIMEOUT, env=node.environment, cwd=WORK, check=False
        )
    except subprocess.TimeoutExpired:
        raise SuiteFailed(f"{run.name} did not end within {RUN_TIMEOUT:g} s.") from None
    (folder / "output.log").write_text(done.stdout + done.stderr)
    return read(done.stdout, folder)


def run_all(runs: Sequence[Run], served: Served, node: Node) -> dict[str, tuple[Scenario, ...]]:
    """All runs, one after the other, against one server."""
    results: dict[str, tuple[Scenario, ...]] = {}
    for run in runs:
        print(f"{run.name} …", file=sys.stderr, flush=True)
        results[run.name] = run_suite(node, run, served.url)
        served.check()
    return results


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when nothing failed, 1 when something did, 2 when it could not be found out."""
    options = _options(arguments)
    signal.signal(signal.SIGTERM, _terminated)
    runs = [run for run in RUNS if options.only in run.name]
    if options.write and len(runs) < len(RUNS):
        print("--write takes all runs: the table in the documents is whole or not at all.", file=sys.stderr)
        return 2
    try:
        node = install_node()
        with serve(options.fixtures, _fresh(WORK / "server")) as served:
            results = run_all(runs, served, node)
    except (ServerFailed, SuiteFailed, subprocess.SubprocessError) as error:
        print(error, file=sys.stderr)
        return 2
    print("\n".join([report.text(results), "", *report.findings(results)]))
    if options.write:
        report.insert(DOCUMENT, "suite", report.markdown(results))
    return int(report.failed(results))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make conformance-mcp", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", default="", metavar="TEXT", help="runs whose name holds this text")
    parser.add_argument("--fixtures", type=Path, default=FIXTURES, metavar="FILE", help="serve this instead")
    parser.add_argument("--write", action="store_true", help=f"write the table into {DOCUMENT.relative_to(ROOT)}")
    return parser.parse_args(arguments)


def _terminated(number: int, frame: object) -> None:
    """Leave by the way that ends the server, too."""
    sys.exit(128 + number)


def _fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


if __name__ == "__main__":
    sys.exit(main())
