"""What a run of the A2A TCK left: its JUnit report, and which requirements its tests are for.

Reads files alone; ``a2a_suite`` runs the TCK, ``tck_faults`` says what it has wrong, ``report`` shows the scenarios
that come of it. A scenario here is a requirement (TCK 1.0) or a file of tests (TCK 0.3) over one binding.
"""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from conformance.results import Finding, Scenario, SuiteFailed
from conformance.tck_faults import Fault

__all__ = ["BINDINGS", "Case", "binding_of", "columns", "levels", "merged", "read_cases", "read_requirements"]

BINDINGS: Final = ("JSON-RPC", "HTTP+JSON", "gRPC", "any")
"""The columns: a test that is about no binding, or about several at once, is in the last."""

_BY_NAME: Final = (
    ("gRPC", re.compile(r"grpc", re.IGNORECASE)),
    ("HTTP+JSON", re.compile(r"http_?json|_rest\b|Rest|AIP193")),
    ("JSON-RPC", re.compile(r"json_?rpc|Sse", re.IGNORECASE)),
)


@dataclass(frozen=True, slots=True)
class Case:
    """A test by its node id, as ``tests/a/test_b.py::TestC::test_d[e]``; ``outcome`` is passed, failed or skipped."""

    id: str
    outcome: str
    message: str = ""


def read_cases(report: Path) -> tuple[Case, ...]:
    """The tests of a JUnit report. Raises ``SuiteFailed`` when there is none, or nothing in it."""
    try:
        cases = tuple(_case(node) for node in ET.parse(report).iter("testcase"))
    except (OSError, ET.ParseError) as error:
        raise SuiteFailed(f"The TCK left no report that can be read: {error}") from None
    if not cases:
        raise SuiteFailed("The TCK ran no test.")
    return cases


def _case(node: ET.Element) -> Case:
    modules, classes = _split(node.get("classname", ""))
    id = "::".join([f"{'/'.join(modules)}.py", *classes, node.get("name", "")])
    for kind, outcome in (("failure", "failed"), ("error", "failed"), ("skipped", "skipped")):
        if (told := node.find(kind)) is not None:
            # An expected failure that pytest reports as skipped is one of the TCK's own.
            return Case(id, outcome, " ".join((told.get("message") or "").split()))
    return Case(id, "passed")


def _split(classname: str) -> tuple[list[str], list[str]]:
    """The parts of a dotted name that are a file's path, and those that are classes in it."""
    parts = classname.split(".")
    last = max((i for i, part in enumerate(parts) if part.startswith("test_")), default=len(parts) - 1)
    return parts[: last + 1], parts[last + 1 :]


def merged(runs: Iterable[Sequence[Case]]) -> tuple[Case, ...]:
    """Cases of several runs as one: what any of them ran is not skipped, and what failed in any has failed."""
    weight = {"skipped": 0, "passed": 1, "failed": 2}
    found: dict[str, Case] = {}
    for case in (case for run in runs for case in run):
        old = found.get(case.id)
        if old is None or weight[case.outcome] > weight[old.outcome]:
            found[case.id] = case
    return tuple(found.values())


def read_requirements(report: Path) -> dict[str, tuple[str, ...]]:
    """The tests of each requirement, named with its level as ``CORE-SEND-001 (MUST)``, from the TCK 1.0's own report.

    Raises ``SuiteFailed`` when it cannot be read.
    """
    try:
        told: Mapping[str, Mapping[str, Any]] = json.loads(report.read_text())["per_requirement"]
        return {f"{id} ({one['level']})": tuple(one["test_ids"]) for id, one in told.items()}
    except (OSError, ValueError, KeyError) as error:
        raise SuiteFailed(f"The TCK's report of requirements cannot be read: {error!r}") from None


def binding_of(id: str) -> str:
    """The binding that a test is about, by its name."""
    path, _, name = id.partition("::")
    for text in (name.partition("[")[2], name.partition("[")[0], path.rpartition("tests/compatibility")[2]):
        for binding, pattern in _BY_NAME:
            if pattern.search(text):
                return binding
    return "any"


def columns(
    cases: Sequence[Case], requirements: Mapping[str, Sequence[str]], faults: Sequence[Fault], binding: str = ""
) -> dict[str, tuple[Scenario, ...]]:
    """Scenarios by binding: one for each requirement, and for the tests of none one for each file. With ``binding``
    all tests are of that one."""
    named = {id: name for name, ids in reversed(list(requirements.items())) for id in ids}
    grouped: dict[str, dict[str, list[Case]]] = {binding: defaultdict(list) for binding in BINDINGS}
    order = {name: number for number, name in enumerate(requirements)}
    for case in cases:
        name = named.get(case.id) or case.id.partition("::")[0].removeprefix("tests/").removesuffix(".py")
        grouped[binding or binding_of(case.id)][name].append(case)
    return {
        binding: tuple(
            _scenario(name, group, faults)
            for name, group in sorted(groups.items(), key=lambda item: order.get(item[0], len(order)))
        )
        for binding, groups in grouped.items()
        if groups
    }


def _scenario(name: str, cases: Sequence[Case], faults: Sequence[Fault]) -> Scenario:
    failed = [case for case in cases if case.outcome == "failed"]
    ours = [case for case in failed if not any(fault.is_of(case.id) for fault in faults)]
    findings = tuple(Finding("FAILURE", case.id, case.message) for case in ours)
    return Scenario(name, sum(case.outcome == "passed" for case in cases), len(ours), findings)


def levels(table: Mapping[str, Sequence[Scenario]]) -> Iterator[tuple[str, str, int, int]]:
    """Level, binding, and how many of the tests of that level were met of how many."""
    for level in ("MUST", "SHOULD", "MAY"):
        for binding, scenarios in table.items():
            these = [s for s in scenarios if s.name.endswith(f"({level})")]
            passed, failed = sum(s.passed for s in these), sum(s.failed for s in these)
            if passed + failed:
                yield level, binding, passed, passed + failed
