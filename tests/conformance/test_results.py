"""The suite's results are read as it leaves them, and nothing that failed is lost on the way to the table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from conformance import report
from conformance.results import Scenario, SuiteFailed, read

OUTPUT = """
=== SUMMARY ===
✓ tools-list: 2 passed, 0 failed
✗ tools-call: 1 passed, 1 failed
✗ broken: 0 passed, 1 failed
✓ idle: 0 passed, 0 failed

Total: 3 passed, 2 failed
"""


def _leave(folder: Path, name: str, *statuses: str) -> None:
    checks: list[dict[str, Any]] = [
        {"id": f"c{i}", "name": "C", "description": "d", "status": status, "errorMessage": f"no {i}"}
        for i, status in enumerate(statuses)
    ]
    left = folder / f"{name}-2026-08-01T10-20-30-400Z"
    left.mkdir()
    (left / "checks.json").write_text(json.dumps(checks))


@pytest.fixture
def scenarios(tmp_path: Path) -> tuple[Scenario, ...]:
    """What was read of a run: one name as of each version of the suite, and one scenario that broke."""
    _leave(tmp_path, "server-tools-list", "SUCCESS", "SUCCESS", "INFO", "WARNING")
    _leave(tmp_path, "tools-call", "SUCCESS", "FAILURE")
    _leave(tmp_path, "server-idle", "SKIPPED")
    return read(OUTPUT, tmp_path)


def test_scenarios_are_read_in_order_with_their_findings(scenarios: tuple[Scenario, ...]) -> None:
    assert [(s.name, s.passed, s.failed, s.warnings) for s in scenarios] == [
        ("tools-list", 2, 0, 1),
        ("tools-call", 1, 1, 0),
        ("broken", 0, 1, 0),
        ("idle", 0, 0, 0),
    ]
    assert [f.status for s in scenarios for f in s.findings] == ["WARNING", "FAILURE", "FAILURE"]
    assert "no 1" in scenarios[1].findings[0].message


@pytest.mark.parametrize("output", ["", "✓ tools-list: 2 passed, 0 failed\n"])
def test_a_run_that_broke_off_is_no_result(tmp_path: Path, output: str) -> None:
    with pytest.raises(SuiteFailed):
        read(output, tmp_path)


def test_a_run_has_failed_where_a_check_has_or_none_was_counted(scenarios: tuple[Scenario, ...]) -> None:
    good, bad, _, idle = scenarios
    assert not report.failed({"a": [good, idle]})
    assert report.failed({"a": [good], "b": [good, bad]})
    assert report.failed({"a": [good], "b": [idle]})


def test_runs_stand_side_by_side_in_the_table(scenarios: tuple[Scenario, ...]) -> None:
    table = report.markdown({"a": scenarios, "b": scenarios[:1]}).splitlines()
    assert table[0] == "| scenario | a | b |"
    assert table[2:] == [
        "| tools-list | 2/2, 1 warned | 2/2, 1 warned |",
        "| tools-call | 1/2 |  |",
        "| broken | 0/1 |  |",
        "| idle | – |  |",
        "| all | 3/5, 1 warned | 2/2, 1 warned |",
    ]
    assert len(list(report.findings({"a": scenarios}))) == 3
    assert report.text({"a": scenarios}).count("\n") == 6


def test_a_part_of_a_document_is_replaced_and_the_rest_kept(tmp_path: Path) -> None:
    path = tmp_path / "doc.md"
    path.write_text("before\n<!-- p: begin -->\nold\n<!-- p: end -->\nafter\n")
    for body in ("one", "two"):
        report.insert(path, "p", body)
        assert path.read_text() == f"before\n<!-- p: begin -->\n{body}\n<!-- p: end -->\nafter\n"
    with pytest.raises(ValueError, match="q: begin"):
        report.insert(path, "q", "x")
