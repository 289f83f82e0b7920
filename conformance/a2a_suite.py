"""``make conformance-a2a TCK=path``: the A2A TCK that you have, unmodified, against Dragoman's own public API.

Which TCK it is shows in the path: that of 1.0 (branch 1.0-dev) is run on all three bindings, that of 0.3 (branch 0.3.x)
over JSON-RPC, as it does by itself. Each is served a real server over the fixtures in ``conformance/a2a``. Ends with 1
when anything failed that is not in ``tck_faults``, or when something there no longer fails. What the TCK needs is
installed below the git-ignored ``.conformance/``, once. Nothing else is written, but for ``--write``.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from conformance import report
from conformance.kept import kept
from conformance.node import ROOT, WORK
from conformance.results import Scenario, SuiteFailed
from conformance.served import Served, ServerFailed, free_port, serve
from conformance.tck_faults import FAULTS, Fault
from conformance.tck_results import Case, columns, levels, merged, read_cases, read_requirements

if TYPE_CHECKING:
    from conformance.replicated import Replicated

__all__ = ["KITS", "Kit", "Run", "kit_of", "main", "markdown", "stale", "told"]

FIXTURES: Final = ROOT / "conformance/a2a"
DOCUMENT: Final = ROOT / "docs/conformance-a2a.md"
INSTALL_TIMEOUT: Final = 600.0
RUN_TIMEOUT: Final = 900.0


@dataclass(frozen=True, slots=True)
class Run:
    """A selection of a TCK's tests, and what is served to it."""

    name: str
    fixture: str
    tests: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Kit:
    """A version of the TCK: how it is known, how it is given the server's address, and what it is run with."""

    version: str
    known_by: str
    address: str
    runs: tuple[Run, ...]
    binding: str = ""  # the only one that it is run over


KITS: Final = (
    Kit(
        "1.0-dev",
        "tests/compatibility",
        "--sut-host={root}",
        (
            Run("all", "dragoman.toml", ("tests/compatibility",)),
            Run("required", "required.toml", ("tests/compatibility", "-k", "TestCapabilityExtensionRequired")),
        ),
    ),
    Kit(
        "0.3.x",
        "tests/mandatory",
        "--sut-url={root}/a2a/tck",
        tuple(
            Run(name, "older.toml", (path, "--test-scope=all"))
            for name, path in (
                ("mandatory", "tests/mandatory"),
                ("capabilities", "tests/optional/capabilities"),
                ("quality", "tests/optional/quality"),
                ("features", "tests/optional/features"),
            )
        ),
        "JSON-RPC",
    ),
)


def kit_of(path: Path) -> Kit:
    """The kit in a folder. Raises ``SuiteFailed`` when it is none."""
    for kit in KITS:
        if (path / kit.known_by).is_dir():
            return kit
    raise SuiteFailed(f"{path} is no A2A TCK: it has neither {' nor '.join(kit.known_by for kit in KITS)}.")


def environment(path: Path, kit: Kit) -> Path:
    """The Python that has what a TCK needs, in an environment of its own. Raises ``SubprocessError`` when pip fails."""
    project = tomllib.loads((path / "pyproject.toml").read_text())["project"]
    needs = sorted({*project["dependencies"], "pytest-html"})
    folder = WORK / f"tck-{kit.version}"
    python = folder / "bin/python"
    with kept(folder, "\n".join(needs)) as missing:
        if missing:
            subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, timeout=INSTALL_TIMEOUT)
            pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            subprocess.run([*pip, *needs], check=True, timeout=INSTALL_TIMEOUT)
    return python


def run_kit(
    path: Path, kit: Kit, python: Path, results: Path, replicas: int = 1
) -> tuple[dict[str, tuple[Scenario, ...]], list[Fault]]:
    """All runs of a kit, each against a server of its own or ``replicas`` that are as one, and the faults that it was
    said to have and has not. Raises ``SuiteFailed`` when a run breaks off."""
    cases: list[tuple[Case, ...]] = []
    requirements: dict[str, tuple[str, ...]] = {}
    for run in kit.runs:
        print(f"{kit.version} {run.name} …", file=sys.stderr, flush=True)
        folder = results / run.name
        folder.mkdir(parents=True)
        with _served(FIXTURES / run.fixture, folder, replicas) as served:
            cases.append(run_tests(path, kit, run, python, folder, served.root))
            served.check()
        if (told := folder / "compatibility.json").exists():
            requirements = {**read_requirements(told), **requirements}
    whole = merged(cases)
    return columns(whole, requirements, _faults(kit), kit.binding), stale(_faults(kit), whole)


def run_tests(path: Path, kit: Kit, run: Run, python: Path, folder: Path, root: str) -> tuple[Case, ...]:
    """One run to its end. Raises ``SuiteFailed`` when it breaks off, not when tests fail."""
    junit = folder / "junit.xml"
    reports = [f"--junitxml={junit}", "-o", "junit_family=xunit1", "-q", "--tb=line", "-p", "no:cacheprovider"]
    if kit.version == "1.0-dev":
        reports.append(f"--compatibility-report={folder / 'compatibility'}")
    command = [str(python), "-m", "pytest", *run.tests, kit.address.format(root=root), *reports]
    with (folder / "output.log").open("w") as out:
        try:
            subprocess.run(
                command, cwd=path, stdin=subprocess.DEVNULL, stdout=out, stderr=out, timeout=RUN_TIMEOUT, check=False
            )
        except subprocess.TimeoutExpired:
            raise SuiteFailed(f"{run.name} did not end within {RUN_TIMEOUT:g} s.") from None
    return read_cases(junit)


def stale(faults: Sequence[Fault], cases: Sequence[Case]) -> list[Fault]:
    """The faults of which no test failed."""
    failed = [case.id for case in cases if case.outcome == "failed"]
    return [fault for fault in faults if not any(fault.is_of(id) for id in failed)]


def _faults(kit: Kit) -> list[Fault]:
    return [fault for fault in FAULTS if fault.version == kit.version]


def told(kit: Kit, table: Mapping[str, Sequence[Scenario]]) -> Iterator[str]:
    """For the terminal: the table, what failed, and the levels."""
    yield report.text(table)
    yield from report.findings(table)
    yield from (f"{level} over {binding}: {met}/{counted}" for level, binding, met, counted in levels(table))
    yield f"{kit.version}: {len(_faults(kit))} faults of the TCK are set aside (conformance/tck_faults.py)."


def markdown(kit: Kit, table: Mapping[str, Sequence[Scenario]]) -> str:
    """For the document: the levels, the table, and what the TCK has wrong."""
    lines = [f"- {level} over {binding}: {met}/{counted}" for level, binding, met, counted in levels(table)]
    faults = ["| what the TCK has wrong | its tests | thread | our test of the rule |", "| --- | --- | --- | --- |"]
    for fault in _faults(kit):
        tests = ", ".join(f"`{test.rpartition('::')[2]}`" for test in fault.tests)
        faults.append(f"| {fault.why} | {tests} | {fault.thread} | `{fault.rule}` |")
    return "\n".join([*lines, *([""] if lines else []), report.markdown(table), "", *faults])


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when nothing failed, 1 when something did, 2 when it could not be found out."""
    options = _options(arguments)
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    path: Path = options.tck.expanduser().resolve()
    try:
        kit = kit_of(path)
        results = WORK / "results" / f"tck-{kit.version}"
        shutil.rmtree(results, ignore_errors=True)
        table, gone = run_kit(path, kit, environment(path, kit), results, options.replicas)
    except (ServerFailed, SuiteFailed, OSError, subprocess.SubprocessError) as error:
        print(error, file=sys.stderr)
        return 2
    print("\n".join(told(kit, table)))
    if options.write:
        report.insert(DOCUMENT, kit.version, markdown(kit, table))
    for fault in gone:
        print(f"Listed as a fault of the TCK, and no test of it failed: {', '.join(fault.tests)}", file=sys.stderr)
    return int(bool(gone) or report.failed(table))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make conformance-a2a", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("tck", type=Path, help="the folder of a TCK")
    parser.add_argument(
        "--replicas", type=int, default=1, metavar="N", help="servers on one Postgres, each request to the next one"
    )
    parser.add_argument("--write", action="store_true", help=f"write the tables into {DOCUMENT.relative_to(ROOT)}")
    return parser.parse_args(arguments)


def _served(target: Path, folder: Path, replicas: int) -> AbstractContextManager[Served | Replicated]:
    if replicas == 1:
        return serve(target, folder, {"DRAGOMAN_A2A__GRPC_PORT": str(free_port())})
    from conformance.replicated import serve_many

    return serve_many(target, folder, replicas, grpc=True)


if __name__ == "__main__":
    sys.exit(main())
