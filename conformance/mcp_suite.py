"""``make conformance-mcp``: the official MCP conformance suite against Dragoman's own public API.

Starts a real server over the fixtures in ``conformance/mcp``, runs the suite in the versions and selections below,
prints a table of scenarios, and ends with 1 when anything failed. There is no list of expected failures. Node and the
suites are installed below the git-ignored ``.conformance/`` when they are missing; that needs the package registries,
once. Nothing else is written, but for ``--write``.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from conformance import report
from conformance.node import ROOT, WORK, Node, node, npm_install
from conformance.results import Scenario, SuiteFailed, read
from conformance.served import Served, ServerFailed, serve

if TYPE_CHECKING:
    from conformance.replicated import Replicated

__all__ = ["NOT_OBTAINED", "RUNS", "Run", "main"]

FIXTURES: Final = ROOT / "conformance/mcp/dragoman.toml"
DOCUMENT: Final = ROOT / "docs/conformance-mcp.md"
SUITE: Final = "@modelcontextprotocol/conformance"
TIMEOUT: Final = 300.0
NOT_OBTAINED: Final = 75
"""The exit code where Node or a suite cannot be installed: sysexits' "temporary failure"."""


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


@dataclass(frozen=True, slots=True)
class Tools:
    """Node, and the entry script of each version of the suite."""

    node: Node
    scripts: Mapping[str, Path]


class NotObtained(Exception):
    """Node or a suite is not here and could not be installed."""


def obtain(runs: Sequence[Run], until: float) -> Tools:
    """What the runs need, installed by ``until`` on the monotonic clock. Raises ``NotObtained``."""
    try:
        found = node(_left(until))
        versions = dict.fromkeys(run.version for run in runs)
        folders = {v: npm_install(found, WORK / f"suite-{v}", f"{SUITE}@{v}", _left(until)) for v in versions}
    except (subprocess.SubprocessError, OSError) as error:
        raise NotObtained(f"The suite was not run: it is not here and could not be installed. {error}") from None
    return Tools(found, {version: folder / "dist/index.js" for version, folder in folders.items()})


def run_suite(tools: Tools, run: Run, url: str, until: float) -> tuple[Scenario, ...]:
    """One run to its end. Raises ``SuiteFailed`` when it breaks off, not when checks fail."""
    folder = _fresh(WORK / "results" / run.name.replace(", ", "-"))
    command = [str(tools.node.executable), str(tools.scripts[run.version]), "server", "--url", url, *run.selection]
    try:
        done = subprocess.run(
            [*command, "--output-dir", str(folder)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_left(until),
            env=tools.node.environment,
            cwd=WORK,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise SuiteFailed(f"{run.name} had not ended when the time for all was over.") from None
    (folder / "output.log").write_text(done.stdout + done.stderr)
    return read(done.stdout, folder)


def run_all(
    runs: Sequence[Run], served: Served | Replicated, tools: Tools, until: float
) -> dict[str, tuple[Scenario, ...]]:
    """All runs, one after the other, against one server, or several that are as one."""
    results: dict[str, tuple[Scenario, ...]] = {}
    for run in runs:
        print(f"{run.name} …", file=sys.stderr, flush=True)
        results[run.name] = run_suite(tools, run, served.url, until)
        served.check()
    return results


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when nothing failed, 1 when something did, 2 when it could not be found out, 75 without a suite."""
    options = _options(arguments)
    signal.signal(signal.SIGTERM, _terminated)
    runs, until = [run for run in RUNS if options.only in run.name], time.monotonic() + options.timeout
    if options.write and len(runs) < len(RUNS):
        print("--write takes all runs: the table in the documents is whole or not at all.", file=sys.stderr)
        return 2
    try:
        tools = obtain(runs, until)
        with _served(options) as served:
            results = run_all(runs, served, tools, until)
    except NotObtained as error:
        print(error, file=sys.stderr)
        return NOT_OBTAINED
    except (ServerFailed, SuiteFailed) as error:
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
    parser.add_argument(
        "--timeout", type=float, default=TIMEOUT, metavar="SECONDS", help="for all of it, installing too (%(default)g)"
    )
    parser.add_argument(
        "--replicas", type=int, default=1, metavar="N", help="servers on one Postgres, each request to the next one"
    )
    parser.add_argument("--write", action="store_true", help=f"write the table into {DOCUMENT.relative_to(ROOT)}")
    return parser.parse_args(arguments)


def _served(options: argparse.Namespace) -> AbstractContextManager[Served | Replicated]:
    folder = _fresh(WORK / "server")
    if options.replicas == 1:
        return serve(options.fixtures, folder)
    from conformance.replicated import serve_many

    return serve_many(options.fixtures, folder, options.replicas)


def _left(until: float) -> float:
    """The seconds that are left, and never none at all: what is given them says that time is over."""
    return max(0.1, until - time.monotonic())


def _terminated(number: int, frame: object) -> None:
    """Leave by the way that ends the server, too."""
    sys.exit(128 + number)


def _fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


if __name__ == "__main__":
    sys.exit(main())
