"""What a line of an export must be to become a row: nothing of it says whose it is, what the ledger numbers or who
holds it, and what names the row is there. Files come from elsewhere. Above: ``importing.py``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from dragoman.memory.errors import InputInvalid
from dragoman.memory.portable.kinds import Kind
from dragoman.memory.sealing.tables import TABLES

__all__ = ["check_line"]

# Not columns of their tables: how others' rows travel with them, and what the importing ledger puts there.
_TRAVELS: Final[Mapping[str, tuple[str, ...]]] = {"store_items": ("text",)}
_PLACED: Final[Mapping[str, tuple[str, ...]]] = {"dead_letters": ("delivery",)}
_NUMBERS: Final[Mapping[str, tuple[str, ...]]] = {"dead_letters": ("delivery_place",)}
_OBJECTS: Final = ("metadata",)


def check_line(kind: str, about: Kind, line: Mapping[str, Any]) -> None:
    """Raises ``InputInvalid`` naming the column."""
    for name in ("tenant", *about.omitted, *_PLACED.get(kind, ())):
        if name in line:
            raise InputInvalid(f"{kind}.{name}: an export does not tell it; the ledger it is imported into does.")
    for name in _named_by(kind):
        if name not in line:
            raise InputInvalid(f"{kind}.{name}: missing, and it names the row.")
    for name, value in line.items():
        if name in _texts(kind) and type(value) is not str:
            raise InputInvalid(f"{kind}.{name}: a text is expected.")
        if name in _NUMBERS.get(kind, ()) and type(value) is not int:
            raise InputInvalid(f"{kind}.{name}: a number is expected.")
        if name in _OBJECTS and name in about.json and not isinstance(value, dict):
            raise InputInvalid(f"{kind}.{name}: an object is expected.")


def _named_by(kind: str) -> Iterator[str]:
    table = TABLES.get(kind)
    placed = ("tenant", *_PLACED.get(kind, ()))
    return (name for name in (table.key if table else ()) if name not in placed)


def _texts(kind: str) -> tuple[str, ...]:
    table = TABLES.get(kind)
    return (*(table.texts if table else ()), *_TRAVELS.get(kind, ()))
