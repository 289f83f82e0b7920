"""The named SQL of ``queries/*.sql``, read once at import.

A file holds statements, each under ``-- :name insert_run``; ``{other_name}`` in a statement is replaced by another
one's text (a list of columns, a condition). Not an object mapper and not a query builder: what stands in the file is
what runs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

__all__ = ["SQL", "load_statements"]

_NAME = re.compile(r"^-- :name (\w+)\s*$")
_SPLICE = re.compile(r"\{(\w+)\}")


def load_statements(folder: Path, own: Path | None = None) -> Mapping[str, str]:
    """All statements of a folder's ``.sql`` files by name; those of the folder ``own`` stand in their place, also where
    they are spliced in. Raises ``ValueError`` for a name given twice or unknown."""
    raw = _read(folder)
    if own is not None:
        raw |= _read(own)
    return {name: _spliced(name, raw) for name in raw}


def _read(folder: Path) -> dict[str, str]:
    raw: dict[str, str] = {}
    for file in sorted(folder.glob("*.sql")):
        for name, text in _parse(file.read_text("utf-8")):
            if name in raw:
                raise ValueError(f"{file.name}: the name {name!r} is given twice")
            raw[name] = text
    return raw


def _parse(text: str) -> list[tuple[str, str]]:
    found: list[tuple[str, list[str]]] = []
    for line in text.splitlines():
        match = _NAME.match(line)
        if match:
            found.append((match[1], []))
        elif found and not line.lstrip().startswith("--"):
            found[-1][1].append(line.strip())
    return [(name, " ".join(filter(None, lines)).rstrip("; ")) for name, lines in found]


def _spliced(name: str, raw: Mapping[str, str]) -> str:
    def replace(match: re.Match[str]) -> str:
        if match[1] not in raw:
            raise ValueError(f"{name}: there is no statement {match[1]!r}")
        return _spliced(match[1], raw)

    return _SPLICE.sub(replace, raw[name])


SQL = load_statements(Path(__file__).with_name("queries"))
