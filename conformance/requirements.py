"""The requirements that bind this server, as data, and the list of those that are not met.

Every MUST and MUST NOT of MCP 2026-07-28 and its tasks extension that binds a server is in ``mcp_requirements``. Tests
that show one carry ``@pytest.mark.requirement("id", ...)``; ``tests/conformance`` holds data, markers and the document
to each other. ``python -m conformance.requirements`` writes the list into the document.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from conformance.mcp_requirements import ALL
from conformance.report import insert
from conformance.requirement import Requirement

__all__ = ["ALL", "DOCUMENT", "Requirement", "markdown"]

DOCUMENT: Final = Path(__file__).resolve().parents[1] / "docs/conformance-mcp.md"


def markdown() -> str:
    """Counts, then what is not met and what does not apply, with the reasons."""
    unmet = [r for r in ALL if r.unmet]
    outside = [r for r in ALL if r.outside and not r.unmet]
    shown = len(ALL) - len(unmet) - len(outside)
    counts = (
        f"{len(ALL)} requirements: {shown} shown by tests, {len(unmet)} not met or not wholly, {len(outside)} outside."
    )
    return "\n".join([counts, "", *_table("Not met", unmet), "", *_table("Outside", outside)])


def _table(title: str, requirements: list[Requirement]) -> Iterator[str]:
    yield f"| {title} | where | what | why |"
    yield "| --- | --- | --- | --- |"
    for r in requirements:
        yield f"| `{r.id}` | {r.page}, {r.section} | {r.says} | {r.unmet or r.outside} |"


if __name__ == "__main__":
    insert(DOCUMENT, "requirements", markdown())
    sys.exit(0)
