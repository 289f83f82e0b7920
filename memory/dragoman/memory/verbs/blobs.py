"""What a ledger says of blobs: which of them nothing refers to, and what it is called where they lie."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

from dragoman.memory.statements import SQL
from dragoman.memory.verbs.keys import Executes

__all__ = ["ledger_name", "name_ledger", "refers_to_blobs", "unused_blobs"]

_REFERENCE = SQL["blob_reference"]
_ANY = SQL["any_blob_reference"]
_NAME = SQL["ledger_name"]
_BORN = SQL["ledger_born"]
_SET_NAME = SQL["name_ledger"]


def unused_blobs(db: Executes, names: Sequence[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    """Those of these blobs, by tenant and name, that no row refers to."""
    return [name for name in names if db.execute(_REFERENCE, name).fetchone() is None]


def refers_to_blobs(db: Executes) -> bool:
    """Whether any row refers to a blob."""
    return db.execute(_ANY).fetchone() is not None


def ledger_name(db: Executes) -> str:
    """What the ledger is called: as a copy of it is, a backup of any age, or what it is moved into."""
    row = db.execute(_NAME, ()).fetchone()
    if row is not None:
        return str(row[0])
    [born] = db.execute(_BORN, ()).fetchone()  # microseconds: no other ledger's
    return sha256(f"dragoman ledger {born}".encode()).hexdigest()[:32]


def name_ledger(db: Executes, name: str) -> None:
    """Call the ledger so."""
    db.execute(_SET_NAME, (name,))
