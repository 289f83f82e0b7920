"""Requirements and tests are tied both ways, and what is not met is told."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance.requirements import ALL, DOCUMENTS, Requirement, markdown

ROOT = Path(__file__).resolve().parents[2]


def _ids(decorator: ast.expr) -> Iterator[str]:
    """The ids of a requirement marker; none of any other decorator."""
    if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.requirement":
        for argument in decorator.args:
            assert isinstance(argument, ast.Constant), f"line {argument.lineno}: a marker takes ids as they are"
            yield str(argument.value)


def _marked() -> Iterator[tuple[str, str]]:
    """Each id of each marker, with the test that carries it."""
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                name = f"{path.relative_to(ROOT).as_posix()}::{node.name}"
                yield from ((id, name) for decorator in node.decorator_list for id in _ids(decorator))


MARKED = list(_marked())


def test_every_test_that_a_requirement_names_exists_and_carries_its_id() -> None:
    assert {(r.id, test) for r in ALL for test in r.tests} - set(MARKED) == set()


def test_every_marker_names_a_requirement_that_names_its_test() -> None:
    assert set(MARKED) - {(r.id, test) for r in ALL for test in r.tests} == set()


def test_no_id_is_there_twice() -> None:
    assert [id for id, count in Counter(r.id for r in ALL).items() if count > 1] == []
    assert [pair for pair, count in Counter(MARKED).items() if count > 1] == []


@pytest.mark.parametrize("requirement", ALL, ids=lambda r: r.id)
def test_a_requirement_is_shown_or_says_why_not(requirement: Requirement) -> None:
    assert requirement.tests or requirement.unmet or requirement.outside
    assert not (requirement.unmet and requirement.outside)
    assert requirement.page
    assert requirement.section
    assert requirement.says.endswith(".")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.stem)
def test_what_is_not_met_is_told_in_the_document(document: Path) -> None:
    told, requirements = document.read_text(), DOCUMENTS[document]
    assert [r.id for r in requirements if (r.unmet or r.outside) and f"| `{r.id}` |" not in told] == []
    assert markdown(requirements) in told, "run python -m conformance.requirements"
