"""What is committed says nothing of where it was made, and the lock is whole."""

import re
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

# Written in pieces, so that this file does not name what it looks for.
REGISTRIES = [
    "py" + "pi.org",
    "python" + "hosted.org",
    "registry." + "npmjs",
    "registry." + "yarnpkg",
    "proxy." + "golang",
]
HOMES = re.compile(r"(?<![\w./~-])(?:/(?:home|Users|work|root)/\w|[A-Z]:\\Users\\)")
LOCKED = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)(?: ; .+)? \\$")


@pytest.fixture(scope="session")
def texts(root: Path, tree: list[str]) -> dict[str, str]:
    """Every text file of the tree by its path."""
    found: dict[str, str] = {}
    for path in tree:
        data = (root / path).read_bytes()
        if b"\0" not in data:
            found[path] = data.decode()
    return found


@pytest.fixture(scope="session")
def lock(root: Path) -> list[str]:
    """The lines of requirements.lock that are not comments."""
    lines = (root / "requirements.lock").read_text().splitlines()
    return [line for line in lines if not line.lstrip().startswith("#")]


def test_no_file_names_a_package_registry(texts: dict[str, str]) -> None:
    assert [(path, host) for path, text in texts.items() for host in REGISTRIES if host in text] == []


def test_no_file_names_a_path_of_the_machine_it_was_written_on(texts: dict[str, str], root: Path) -> None:
    here = f"{root}/"
    assert [path for path, text in texts.items() if here in text or HOMES.search(text)] == []


def test_the_lock_holds_pinned_versions_with_hashes_and_nothing_else(lock: list[str]) -> None:
    pinned = [number for number, line in enumerate(lock) if LOCKED.match(line)]
    hashes = [
        number for number, line in enumerate(lock) if re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}(?: \\)?", line)
    ]
    assert len(pinned) > 50
    assert len(pinned) + len(hashes) == len(lock)
    assert {number + 1 for number in pinned} <= set(hashes)


def test_the_lock_answers_what_the_project_requires(lock: list[str], config: dict[str, Any]) -> None:
    versions: dict[str, set[Version]] = {}
    for name, version in (match.groups() for line in lock if (match := LOCKED.match(line))):
        versions.setdefault(canonicalize_name(name), set()).add(Version(version))
    wanted = map(Requirement, config["project"]["dependencies"] + config["dependency-groups"]["dev"])
    short = [
        str(r) for r in wanted if not any(r.specifier.contains(v) for v in versions.get(canonicalize_name(r.name), ()))
    ]
    assert short == []


def test_the_changelog_gives_each_core_dependency_and_each_extra_its_reason(root: Path, config: dict[str, Any]) -> None:
    said = (root / "CHANGELOG.md").read_text()
    names = [Requirement(line).name for line in config["project"]["dependencies"]]
    names += config["project"]["optional-dependencies"]
    assert [name for name in names if not re.search(rf"`{re.escape(name)}(?:\[[\w,-]+\])?`", said)] == []


def test_the_build_backend_is_in_the_lock_so_that_the_editable_install_needs_no_network(
    lock: list[str], config: dict[str, Any]
) -> None:
    locked = {canonicalize_name(match[1]) for line in lock if (match := LOCKED.match(line))}
    assert {canonicalize_name(Requirement(line).name) for line in config["build-system"]["requires"]} <= locked
