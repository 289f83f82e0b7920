"""The requirements that bind this server, as data, and the list of those that are not met.

Every MUST and MUST NOT of MCP 2026-07-28 and its tasks extension that binds a server is in ``mcp_requirements``, those
of A2A 1.0 are in ``a2a_requirements``. Tests that show one carry ``@pytest.mark.requirement("id", ...)``;
``tests/conformance`` holds data, markers and the documents to each other. ``python -m conformance.requirements`` writes
the lists into the documents.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from conformance import a2a_requirements, mcp_requirements
from conformance.report import insert
from conformance.requirement import Requirement

__all__ = ["ALL", "DOCUMENTS", "Requirement", "markdown"]

_DOCS: Final = Path(__file__).resolve().parents[1] / "docs"
DOCUMENTS: Final[Mapping[Path, Sequence[Requirement]]] = {
    _DOCS / "conformance-mcp.md": mcp_requirements.ALL,
    _DOCS / "conformance-a2a.md": a2a_requirements.ALL,
}
"""The requirements by the document that tells of them."""

ALL: Final = tuple(requirement for these in DOCUMENTS.values() for requirement in these)


def markdown(requirements: Sequence[Requirement]) -> str:
    """Counts, then what is not met and what does not apply, with the reasons."""
    unmet = [r for r in requirements if r.unmet]
    outside = [r for r in requirements if r.outside and not r.unmet]
    shown = len(requirements) - len(unmet) - len(outside)
    counts = f"{len(requirements)} requirements: {shown} shown by tests, {len(unmet)} not met or not wholly, "
    counts += f"{len(outside)} outside."
    return "\n".join([counts, "", *_table("Not met", unmet), "", *_table("Outside", outside)])


def _table(title: str, requirements: list[Requirement]) -> Iterator[str]:
    yield f"| {title} | where | what | why |"
    yield "| --- | --- | --- | --- |"
    for r in requirements:
        yield f"| `{r.id}` | {r.page}, {r.section} | {r.says} | {r.unmet or r.outside} |"


if __name__ == "__main__":
    for document, requirements in DOCUMENTS.items():
        insert(document, "requirements", markdown(requirements))
    sys.exit(0)
