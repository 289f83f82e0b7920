"""What an operator sees and does: lists of deliveries, dead letters, and taking them up again.

``SqliteDeliveries`` does it from the command line, also while a server has the ledger open: the server looks at what is
due every few seconds. It needs no lock file, as ``SqliteKeys`` needs none.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dragoman.memory.errors import InputInvalid
from dragoman.memory.ids import now_micros
from dragoman.memory.model import Page
from dragoman.memory.outbox import DeadLetter, Delivery, DeliveryCounts, DeliveryStatus
from dragoman.memory.sqlite.connection import transact
from dragoman.memory.sqlite.deliveries import delivery_of
from dragoman.memory.sqlite.keys import Executes
from dragoman.memory.statements import SQL

__all__ = [
    "SqliteDeliveries",
    "drop_dead_letter",
    "read_counts",
    "read_dead_letters",
    "read_deliveries",
    "retry_dead_letter",
]

_OF_RUN = SQL["deliveries_of_run"]
_AFTER = SQL["deliveries_after"]
_WITH_STATUS = SQL["deliveries_with_status"]
_SET_PLACE = SQL["set_delivery_place"]
_LETTERS = SQL["dead_letters_after"]
_LETTER = SQL["dead_letter"]
_DELETE_LETTER = SQL["delete_dead_letter"]
_DELETE_FROM = SQL["delete_letters_from"]
_COUNT = SQL["count_deliveries"]
_COUNT_LETTERS = SQL["count_dead_letters"]


def read_deliveries(
    db: Executes, tenant: str | None, run_id: str | None, status: DeliveryStatus | None, limit: int, cursor: str | None
) -> Page[Delivery]:
    """See ``OutboxLedger.deliveries``."""
    after = 0 if cursor is None else _decode(cursor)
    if run_id is not None:
        of = None if status is None else str(status)
        rows = db.execute(_OF_RUN, (tenant, run_id, of, after, limit + 1))
    elif status is not None:
        rows = db.execute(_WITH_STATUS, (tenant, after, limit + 1, str(status)))
    else:
        rows = db.execute(_AFTER, (tenant, after, limit + 1))
    found = [delivery_of(row) for row in rows]
    items = tuple(found[:limit])
    return Page(items, _encode(items[-1].ordinal) if items and len(found) > limit else None)


def read_dead_letters(db: Executes, tenant: str | None, limit: int, after: int) -> Sequence[DeadLetter]:
    """See ``OutboxLedger.dead_letters``."""
    rows = db.execute(_LETTERS, (tenant, after, limit))
    return [_letter_of(row) for row in rows]


def retry_dead_letter(db: Executes, number: int, tenant: str | None) -> bool:
    """See ``OutboxLedger.retry_dead_letter``."""
    letter = db.execute(_LETTER, (number, tenant)).fetchone()
    if letter is None:
        return False
    ordinal, seq, part, _ = letter
    db.execute(_DELETE_FROM, (ordinal, seq, part))
    db.execute(_SET_PLACE, (seq - 1, part, now_micros(), ordinal))
    return True


def drop_dead_letter(db: Executes, number: int, tenant: str | None) -> bool:
    """See ``OutboxLedger.drop_dead_letter``."""
    letter = db.execute(_LETTER, (number, tenant)).fetchone()
    if letter is None:
        return False
    ordinal, seq, part, stopped = letter
    db.execute(_DELETE_LETTER, (number,))
    if stopped:
        db.execute(_SET_PLACE, (seq - 1, part + 1, now_micros(), ordinal))
    return True


def read_counts(db: Executes, tenant: str | None) -> DeliveryCounts:
    """See ``OutboxLedger.count_deliveries``."""
    (active,) = db.execute(_COUNT, ("active", tenant)).fetchone()
    (stopped,) = db.execute(_COUNT, ("dead", tenant)).fetchone()
    (letters,) = db.execute(_COUNT_LETTERS, (tenant,)).fetchone()
    return DeliveryCounts(active, stopped, letters)


def _letter_of(row: Sequence[Any]) -> DeadLetter:
    *told, stopped, body = row
    values: Any = (*told, bool(stopped), body)
    return DeadLetter(*values)


class SqliteDeliveries:
    """The deliveries of the ledger at ``path``. Blocks: not for the event loop."""

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)

    def dead_letters(self, tenant: str | None = None, limit: int = 100, after: int = 0) -> Sequence[DeadLetter]:
        """See ``OutboxLedger.dead_letters``."""
        return transact(self._path, lambda db: read_dead_letters(db, tenant, limit, after))

    def deliveries(
        self, status: DeliveryStatus | None = None, limit: int = 100, tenant: str | None = None
    ) -> Sequence[Delivery]:
        """See ``OutboxLedger.deliveries``."""
        return transact(self._path, lambda db: read_deliveries(db, tenant, None, status, limit, None)).items

    def counts(self, tenant: str | None = None) -> DeliveryCounts:
        """See ``OutboxLedger.count_deliveries``."""
        return transact(self._path, lambda db: read_counts(db, tenant))

    def retry(self, number: int, tenant: str | None = None) -> bool:
        """See ``OutboxLedger.retry_dead_letter``."""
        return transact(self._path, lambda db: retry_dead_letter(db, number, tenant))

    def drop(self, number: int, tenant: str | None = None) -> bool:
        """See ``OutboxLedger.drop_dead_letter``."""
        return transact(self._path, lambda db: drop_dead_letter(db, number, tenant))


def _encode(ordinal: int) -> str:
    return base64.urlsafe_b64encode(f"d{ordinal}".encode()).decode().rstrip("=")


def _decode(cursor: str) -> int:
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
        ordinal = int(text[1:])
    except ValueError:
        ordinal = -1
    if not 0 <= ordinal < 2**63 or _encode(ordinal) != cursor:
        raise InputInvalid(
            "The cursor is not one that this list gave out.", ({"field": "cursor", "problem": "unknown"},)
        )
    return ordinal
