"""Which files of a folder go into a bundle, and which never do. Files are read here; none is run or written.

A folder with a ``dragoman.toml`` goes whole, without what is left out below. Of a bare file's folder, only the modules
that its agents imported go: it may be anyone's home folder.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from dragoman.cli.errors import CommandError

__all__ = ["BUNDLE_LIMIT", "Collected", "collect", "loaded_modules"]

BUNDLE_LIMIT = 64 * 1024 * 1024
"""Bytes of all files; more is a data set or an environment, not agents."""

# Beside these: whatever begins with a dot, environments and caches that say so themselves, the ledger.
_LEFT_OUT = (
    *("__pycache__", "*.py[cod]", "node_modules", "*.egg-info", "build", "dist", "htmlcov"),
    *("*.log", "*.lock", "*.mcpb", "*.db", "*.db-wal", "*.db-shm", "*.db.key", "*.swp", "*~", "Thumbs.db"),
)
_SECRET = (
    *("*.env", "*.pem", "*.key", "*.p12", "*.pfx", "*.jks", "*.keystore", "*.kdbx", "*.ppk", "*service?account*.json"),
    *("id_rsa*", "id_dsa*", "id_ecdsa*", "id_ed25519*"),
    *(f"{stem}.{kind}" for stem in ("secrets", "credentials") for kind in ("json", "toml", "y*ml", "ini", "txt")),
)
_PRIVATE_KEY = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY")
_MARKS = ("pyvenv.cfg", "CACHEDIR.TAG")  # an environment (PEP 405), a cache


@dataclass(slots=True)
class Collected:
    """Files by their place in the folder; ``withheld`` are those that look like secrets or lead elsewhere."""

    files: dict[str, Path] = field(default_factory=dict[str, Path])
    withheld: list[str] = field(default_factory=list[str])


def collect(folder: Path, ledger: Path, only: Sequence[Path] | None = None) -> Collected:
    """The files, in order. ``ledger`` and what lies beside it under its name stay; ``only`` are the files and package
    folders to choose from. Patterns of a ``.mcpbignore`` in the folder are left out too.

    Raises ``CommandError`` past ``BUNDLE_LIMIT``.
    """
    folder, ledger = folder.resolve(), ledger.resolve()
    ignored = _ignored(folder / ".mcpbignore")
    found = Collected()
    size = 0
    for path in _walk(folder, folder, ignored, found):
        place = path.relative_to(folder).as_posix()
        if only is not None and not any(path == one or one in path.parents for one in only):
            continue
        if path.parent == ledger.parent and re.match(rf"{re.escape(ledger.name)}($|[-.])", path.name):
            continue
        if _is_secret(path):
            found.withheld.append(place)
            continue
        found.files[place] = path
        size += path.stat().st_size
        if size > BUNDLE_LIMIT:
            raise CommandError(
                f"{folder} has more than {BUNDLE_LIMIT // 2**20} MB of files; name what is not needed in .mcpbignore, "
                "a pattern a line."
            )
    found.withheld.sort()
    return found


def loaded_modules(folder: Path) -> list[Path]:
    """The files and package folders in ``folder`` of modules that are imported, without Dragoman's own."""
    folder = folder.resolve()
    found: set[Path] = set()
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if file is None or name == "__main__" or name.partition(".")[0] == "dragoman":
            continue
        path = Path(file).resolve()
        if folder in path.parents:
            found.add(path.parent if path.name == "__init__.py" and path.parent != folder else path)
    return sorted(found)


def _walk(folder: Path, at: Path, ignored: Sequence[str], found: Collected) -> Iterator[Path]:
    with os.scandir(at) as listed:
        entries = sorted(listed, key=lambda entry: entry.name)
    if at != folder and any(entry.name in _MARKS for entry in entries):
        return
    for entry in entries:
        path = at / entry.name
        place = path.relative_to(folder)
        if entry.name.startswith(".") or _matches(entry.name, _LEFT_OUT) or _is_ignored(place, ignored, entry.is_dir()):
            continue
        if entry.is_symlink():
            found.withheld.append(place.as_posix())
        elif entry.is_dir():
            yield from _walk(folder, path, ignored, found)
        elif entry.is_file():
            yield path


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name.lower(), pattern.lower()) for pattern in patterns)


def _ignored(file: Path) -> list[str]:
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    patterns = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    if negated := next((pattern for pattern in patterns if pattern.startswith("!")), None):
        raise CommandError(f"{file}: {negated}: a pattern says what is left out; it cannot take something back.", 2)
    return patterns


def _is_ignored(place: Path, patterns: Sequence[str], is_folder: bool) -> bool:
    """As git reads them: a slash at the end means folders, one elsewhere a place from the top, none any name."""
    for pattern in patterns:
        if pattern.endswith("/") and not is_folder:
            continue
        wanted = pattern.rstrip("/").split("/")
        if _fits(place.parts, ("**", *wanted) if len(wanted) == 1 else tuple(part for part in wanted if part)):
            return True
    return False


def _fits(parts: tuple[str, ...], wanted: tuple[str, ...]) -> bool:
    if not wanted:
        return not parts
    if wanted[0] == "**":
        return any(_fits(parts[start:], wanted[1:]) for start in range(len(parts) + 1))
    return bool(parts) and fnmatchcase(parts[0], wanted[0]) and _fits(parts[1:], wanted[1:])


def _is_secret(path: Path) -> bool:
    if _matches(path.name, _SECRET):
        return True
    with path.open("rb") as file:
        return _PRIVATE_KEY.search(file.read(65536)) is not None
