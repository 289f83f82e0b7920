"""What a ledger says of blobs: which of them nothing refers to."""

from __future__ import annotations

from collections.abc import Sequence

from dragoman.memory.statements import SQL
from dragoman.memory.verbs.keys import Executes

__all__ = ["refers_to_blobs", "unused_blobs"]

_REFERENCE = SQL["blob_reference"]
_ANY = SQL["any_blob_reference"]


def unused_blobs(db: Executes, names: Sequence[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    """Those of these blobs, by tenant and name, that no row refers to."""
    return [name for name in names if db.execute(_REFERENCE, name).fetchone() is None]


def refers_to_blobs(db: Executes) -> bool:
    """Whether any row refers to a blob."""
    return db.execute(_ANY).fetchone() is not None
