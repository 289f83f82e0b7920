"""What the A2A TCK leaves is read as it is: nothing that failed is lost, and only its own faults are set aside."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

from conformance import report
from conformance.a2a_suite import KITS, kit_of, markdown, stale, told
from conformance.results import SuiteFailed
from conformance.tck_faults import FAULTS, Fault
from conformance.tck_results import Case, binding_of, columns, levels, merged, read_cases, read_requirements

ROOT = Path(__file__).resolve().parents[2]
CORE = "tests/compatibility/core_operations/test_requirements.py::test_must_requirement"
REPORT = """<?xml version="1.0"?>
<testsuites><testsuite name="pytest">
<testcase classname="tests.compatibility.core_operations.test_requirements" name="test_must_requirement[A-1-grpc]"/>
<testcase classname="tests.compatibility.core_operations.test_requirements" name="test_must_requirement[A-1-jsonrpc]">
<failure message="Operation
failed">trace</failure></testcase>
<testcase classname="tests.compatibility.http_json.test_status.TestHttpJson" name="test_b">
<skipped message="not declared"/></testcase>
<testcase classname="tests.compatibility.http_json.test_status.TestHttpJson" name="test_c">
<error message="e"/></testcase>
</testsuite></testsuites>
"""
FAULT = Fault(version="1.0-dev", tests=(f"{CORE}[A-1-j",), why="w", thread="t", rule="r")


@pytest.fixture
def cases(tmp_path: Path) -> tuple[Case, ...]:
    """What was read of a report."""
    (tmp_path / "junit.xml").write_text(REPORT)
    return read_cases(tmp_path / "junit.xml")


def test_tests_are_read_by_their_node_ids_with_what_became_of_them(cases: tuple[Case, ...]) -> None:
    assert cases == (
        Case(f"{CORE}[A-1-grpc]", "passed"),
        Case(f"{CORE}[A-1-jsonrpc]", "failed", "Operation failed"),
        Case("tests/compatibility/http_json/test_status.py::TestHttpJson::test_b", "skipped", "not declared"),
        Case("tests/compatibility/http_json/test_status.py::TestHttpJson::test_c", "failed", "e"),
    )


@pytest.mark.parametrize("text", [None, "", "<testsuites/>", "<testsuites>"])
def test_a_run_that_left_no_tests_is_no_result(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "junit.xml").write_text(text)
    with pytest.raises(SuiteFailed):
        read_cases(tmp_path / "junit.xml")


def test_requirements_are_read_with_their_levels(tmp_path: Path) -> None:
    left = tmp_path / "compatibility.json"
    left.write_text(json.dumps({"per_requirement": {"A-1": {"level": "MUST", "test_ids": ["t1", "t2"]}}}))
    assert read_requirements(left) == {"A-1 (MUST)": ("t1", "t2")}
    left.write_text("{}")
    with pytest.raises(SuiteFailed):
        read_requirements(left)


@pytest.mark.parametrize(
    ("id", "binding"),
    [
        (f"{CORE}[CORE-GET-001-grpc]", "gRPC"),
        (f"{CORE}[CORE-GET-001-jsonrpc]", "JSON-RPC"),
        (f"{CORE}[CORE-GET-001-http_json]", "HTTP+JSON"),
        (f"{CORE}[HTTP_JSON-GET-001-jsonrpc]", "JSON-RPC"),
        ("tests/compatibility/core_operations/test_e.py::TestE::test_error_rest", "HTTP+JSON"),
        ("tests/compatibility/jsonrpc/test_sse_streaming.py::TestSseFormat::test_events", "JSON-RPC"),
        ("tests/compatibility/grpc/test_streaming.py::TestStreams::test_first", "gRPC"),
        ("tests/compatibility/agent_card/test_agent_card.py::TestCard::test_retrievable", "any"),
    ],
)
def test_a_test_is_of_the_binding_that_it_names(id: str, binding: str) -> None:
    assert binding_of(id) == binding


def test_a_failure_counts_unless_it_is_the_kits_own(cases: tuple[Case, ...]) -> None:
    requirements = {"A-1 (MUST)": [f"{CORE}[A-1-grpc]", f"{CORE}[A-1-jsonrpc]"]}
    table = columns(cases, requirements, [])
    assert report.failed(table)
    assert list(levels(table)) == [("MUST", "JSON-RPC", 0, 1), ("MUST", "gRPC", 1, 1)]
    (scenario,) = table["JSON-RPC"]
    assert (scenario.name, scenario.findings[0].message) == ("A-1 (MUST)", "Operation failed")
    excused = columns(cases, requirements, [FAULT])
    assert [(s.passed, s.failed) for s in excused["JSON-RPC"]] == [(0, 0)]
    assert [(s.name, s.failed) for s in excused["HTTP+JSON"]] == [("compatibility/http_json/test_status", 1)]


def test_a_fault_of_which_no_test_fails_is_told(cases: tuple[Case, ...]) -> None:
    mended = Fault(version="1.0-dev", tests=(f"{CORE}[A-1-grpc]",), why="w", thread="t", rule="r")
    assert stale([FAULT, mended], cases) == [mended]


def test_of_several_runs_a_failure_outweighs_success_and_success_what_was_skipped() -> None:
    first = [Case("a", "skipped"), Case("b", "failed"), Case("c", "passed")]
    second = [Case("a", "passed"), Case("b", "passed"), Case("c", "skipped")]
    assert merged([first, second]) == (Case("a", "passed"), Case("b", "failed"), Case("c", "passed"))


def test_the_kit_is_known_by_what_its_folder_holds(tmp_path: Path) -> None:
    for kit in KITS:
        folder = tmp_path / kit.version
        (folder / kit.known_by).mkdir(parents=True)
        assert kit_of(folder) is kit
    with pytest.raises(SuiteFailed, match="is no A2A TCK"):
        kit_of(tmp_path)


def test_failures_are_told_on_the_terminal_and_faults_in_the_document(cases: tuple[Case, ...]) -> None:
    kit = KITS[0]
    table = columns(cases, {}, [FAULT])
    assert any("FAILURE [HTTP+JSON]" in line for line in told(kit, table))
    written = markdown(kit, table)
    assert all(fault.thread in written for fault in FAULTS if fault.version == kit.version)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.tests[0].rpartition("::")[2])
def test_each_fault_of_the_kit_has_a_test_of_ours_that_shows_the_rule(fault: Fault) -> None:
    path, _, name = fault.rule.partition("::")
    tree = ast.parse((ROOT / path).read_text())
    assert name in {n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)}
    assert fault.version in {kit.version for kit in KITS}
