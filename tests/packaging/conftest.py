"""What the packaging tests look at: the checkout, its configuration and its files."""

import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def root() -> Path:
    """The folder of the checkout."""
    return Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def config(root: Path) -> dict[str, Any]:
    """pyproject.toml, parsed."""
    return tomllib.loads((root / "pyproject.toml").read_text())


@pytest.fixture(scope="session")
def tree(root: Path) -> list[str]:
    """Paths, relative to the checkout, of every file that git holds or would hold."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True, timeout=30).stdout
    return sorted(path for path in set(listed.split("\0")) if path and (root / path).is_file())


@pytest.fixture(scope="session")
def sources(config: dict[str, Any]) -> list[str]:
    """The source roots, each of which holds its part of the namespace package."""
    roots: list[str] = config["tool"]["hatch"]["build"]["targets"]["wheel"]["dev-mode-dirs"]
    return roots
