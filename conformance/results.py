"""What a suite found, read from the files it leaves and from the summary it prints.

The summary is the list of scenarios (one that broke leaves no file); the files hold the checks. As in the suite itself
a check counts when it is a success or a failure; a warning is a recommendation not followed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

__all__ = ["Finding", "Scenario", "SuiteFailed", "read"]

_SUMMARY: Final = re.compile(r"^[✓✗] (\S+): (\d+) passed, (\d+) failed$", re.MULTILINE)
_TOTAL: Final = re.compile(r"^Total: \d+ passed, \d+ failed$", re.MULTILINE)
_FOLDER: Final = re.compile(r"^(?:server-)?(.+)-\d{4}-\d\d-\d\dT[\d-]+Z$")


class SuiteFailed(Exception):
    """The suite did not run to its end, or left what cannot be read."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A check that was not met: ``status`` is FAILURE or WARNING."""

    status: str
    check: str
    message: str


@dataclass(frozen=True, slots=True)
class Scenario:
    """A scenario's counts, and the findings behind them."""

    name: str
    passed: int
    failed: int
    findings: tuple[Finding, ...] = ()

    @property
    def warnings(self) -> int:
        """How many recommendations were not followed."""
        return sum(f.status == "WARNING" for f in self.findings)


def read(output: str, folder: Path) -> tuple[Scenario, ...]:
    """The scenarios of one run, in its order: from what it printed and what it left in ``folder``.

    Raises ``SuiteFailed`` when the summary is not whole.
    """
    if not _TOTAL.search(output):
        raise SuiteFailed(f"The suite printed no summary; its output ends with:\n{output[-4000:]}")
    checks = _checks(folder)
    lines = _SUMMARY.findall(output)
    return tuple(_scenario(name, int(passed), int(failed), checks.get(name, ())) for name, passed, failed in lines)


def _scenario(name: str, passed: int, failed: int, checks: Sequence[Mapping[str, Any]]) -> Scenario:
    findings = [_finding(check) for check in checks if check["status"] in ("FAILURE", "WARNING")]
    told = sum(f.status == "FAILURE" for f in findings)
    if told < failed:
        findings.append(Finding("FAILURE", name, "The scenario broke; the suite's output says how."))
    return Scenario(name, passed, failed, tuple(findings))


def _finding(check: Mapping[str, Any]) -> Finding:
    message = check.get("errorMessage") or check.get("description") or ""
    return Finding(check["status"], f"{check['id']} ({check['name']})", " ".join(str(message).split()))


def _checks(folder: Path) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for path in sorted(folder.glob("*/checks.json")):
        if named := _FOLDER.match(path.parent.name):
            found[named[1]] = json.loads(path.read_text())
    return found
