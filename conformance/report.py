"""The results of several runs side by side: as a table for the terminal, and as one for the documents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from conformance.results import Scenario

__all__ = ["failed", "findings", "insert", "markdown", "text"]

Results = Mapping[str, Sequence[Scenario]]


def failed(results: Results) -> bool:
    """Whether anything failed in any run, or a run had nothing to count."""
    return any(not sum(s.passed for s in run) or any(s.failed for s in run) for run in results.values())


def text(results: Results) -> str:
    """A table for the terminal: scenarios down, runs across."""
    table = [["scenario", *results], *_rows(results)]
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])


def findings(results: Results) -> Iterator[str]:
    """Each failure and each warning in a line."""
    for run, scenarios in results.items():
        for scenario in scenarios:
            for finding in scenario.findings:
                yield f"{finding.status} [{run}] {scenario.name}: {finding.check}: {finding.message[:400]}"


def markdown(results: Results) -> str:
    """The table for the documents."""
    table = [["scenario", *results], ["---"] * (len(results) + 1), *_rows(results)]
    return "\n".join(f"| {' | '.join(row)} |" for row in table)


def insert(path: Path, part: str, body: str) -> None:
    """Put ``body`` between the marks of a part of a document. Raises ``ValueError`` where it has none."""
    begin, end = f"<!-- {part}: begin -->", f"<!-- {part}: end -->"
    before, found, rest = path.read_text().partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"{path} has no part {begin} … {end}.")
    path.write_text(f"{before}{begin}\n{body}\n{end}{after}")


def _rows(results: Results) -> Iterator[list[str]]:
    by_name = {run: {s.name: s for s in scenarios} for run, scenarios in results.items()}
    for name in dict.fromkeys(name for run in by_name.values() for name in run):
        yield [name, *(_cell(run.get(name)) for run in by_name.values())]
    yield ["all", *(_total(run) for run in results.values())]


def _cell(scenario: Scenario | None) -> str:
    """Passed of counted; nothing where it is not part of the run, and "–" where the suite counted nothing."""
    if scenario is None:
        return ""
    counted = scenario.passed + scenario.failed
    warned = f", {scenario.warnings} warned" if scenario.warnings else ""
    return (f"{scenario.passed}/{counted}" if counted else "–") + warned


def _total(scenarios: Sequence[Scenario]) -> str:
    passed, missed = sum(s.passed for s in scenarios), sum(s.failed for s in scenarios)
    warned = sum(s.warnings for s in scenarios)
    return f"{passed}/{passed + missed}" + (f", {warned} warned" if warned else "")
