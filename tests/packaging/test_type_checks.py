"""The type checks find mistakes: each one planted in a copy of the layout is reported; an empty check cannot pass."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

PLANTED = """\
number: int = "text"


def untyped(value):
    return value
"""
BELOW = "def answer() -> int:\n    return 42\n"
ABOVE = "from dragoman.planted_below import answer\n\ntext: str = answer()\n"


@pytest.fixture(scope="module")
def planted(root: Path, config: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's configuration over a wrong module in each checked folder and a wrong use across two rooms."""
    folder = tmp_path_factory.mktemp("planted")
    (folder / "pyproject.toml").write_text((root / "pyproject.toml").read_text())
    for name in config["tool"]["mypy"]["files"]:
        (folder / name / "dragoman").mkdir(parents=True)
        (folder / name / "dragoman" / f"planted_{name}.py").write_text(PLANTED)
    (folder / "memory/dragoman/planted_below.py").write_text(BELOW)
    (folder / "server/dragoman/planted_above.py").write_text(ABOVE)
    return folder


def _expected(config: dict[str, Any], assignment: str, untyped: str) -> set[tuple[str, int, str]]:
    wrong = {("server/dragoman/planted_above.py", 3, assignment)}
    for name in config["tool"]["mypy"]["files"]:
        path = f"{name}/dragoman/planted_{name}.py"
        wrong |= {(path, 1, assignment), (path, 4, untyped)}
    return wrong


def _mypy(folder: Path) -> Iterator[tuple[str, int, str]]:
    command = [sys.executable, "-m", "mypy", "--output=json", "--cache-dir", str(folder / ".mypy_cache")]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=100)
    assert done.returncode == 1, done.stdout + done.stderr
    for line in done.stdout.splitlines():
        found = json.loads(line)
        yield found["file"], found["line"], found["code"]


def _pyright(folder: Path) -> Iterator[tuple[str, int, str]]:
    command = [sys.executable, "-m", "pyright", "--pythonpath", sys.executable, "--outputjson"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=100)
    assert done.returncode == 1, done.stdout + done.stderr
    for found in json.loads(done.stdout)["generalDiagnostics"]:
        path = Path(found["file"]).relative_to(folder.resolve()).as_posix()
        yield path, found["range"]["start"]["line"] + 1, found["rule"]


def test_mypy_reports_the_mistakes_planted_in_every_checked_folder(planted: Path, config: dict[str, Any]) -> None:
    assert set(_mypy(planted)) == _expected(config, "assignment", "no-untyped-def")


def test_pyright_reports_the_mistakes_planted_in_every_checked_folder(planted: Path, config: dict[str, Any]) -> None:
    assert set(_pyright(planted)) >= _expected(config, "reportAssignmentType", "reportMissingParameterType")


def test_every_folder_that_holds_python_is_checked_by_both(tree: list[str], config: dict[str, Any]) -> None:
    folders = {path.partition("/")[0] for path in tree if path.endswith(".py")}
    assert folders == set(config["tool"]["mypy"]["files"])
    assert folders == set(config["tool"]["pyright"]["include"])
