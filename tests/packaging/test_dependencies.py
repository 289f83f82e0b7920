"""What the distribution imports and what it declares are the same."""

import ast
import sys
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

# Each is pinned to one version by the dependency whose types it holds.
HELD_BY = {"mcp-types": "mcp", "pydantic-core": "pydantic"}
# `google` is a namespace of several distributions.
GOOGLE = {"google.protobuf": "protobuf", "google.rpc": "googleapis-common-protos"}
# uvicorn takes them when they are installed; nothing of ours imports them.
FOUND_BY_NAME = {"httptools", "websockets"}


def _imported(path: Path) -> set[str]:
    """Full names of the modules that the file imports, anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
    return names


@pytest.fixture(scope="module")
def imported(root: Path, tree: list[str], sources: list[str]) -> set[str]:
    """Names of the distributions, not the standard library's or our own, whose packages the source roots import."""
    files = [root / path for path in tree if path.partition("/")[0] in sources and path.endswith(".py")]
    modules = {name for file in files for name in _imported(file)}
    owners = packages_distributions()
    found: set[str] = set()
    for module in modules:
        top = module.partition(".")[0]
        if top in sys.stdlib_module_names or top == "dragoman":
            continue
        google = next((owner for name, owner in GOOGLE.items() if module.startswith(name)), None)
        owner = google or owners.get(top, [top])[0]
        found.add(canonicalize_name(owner))
    return {HELD_BY.get(name, name) for name in found}


def _names(lines: list[str]) -> set[str]:
    return {canonicalize_name(Requirement(line).name) for line in lines}


def test_everything_imported_is_declared(imported: set[str], config: dict[str, Any]) -> None:
    extras = [line for lines in config["project"]["optional-dependencies"].values() for line in lines]
    assert imported - _names(config["project"]["dependencies"] + extras) == set()


def test_every_core_dependency_is_imported(imported: set[str], config: dict[str, Any]) -> None:
    assert _names(config["project"]["dependencies"]) - imported - FOUND_BY_NAME == set()
