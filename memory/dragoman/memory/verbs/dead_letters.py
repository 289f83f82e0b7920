"""What an operator sees and does: lists of deliveries, dead letters, and taking them up again."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

from dragoman.memory.errors import InputInvalid
from dragoman.memory.ids import now_micros
from dragoman.memory.model import Page
from dragoman.memory.outbox import DeadLetter, Delivery, DeliveryCounts, DeliveryStatus
from dragoman.memory.statements import SQL
from dragoman.memory.verbs.deliveries import delivery_of
from dragoman.memory.verbs.keys import Executes

__all__ = [
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
    db.execute(_SET_PLACE, (seq - 1, part, now_micros(), ordinal))  # first: who is sending it is done with it then
    db.execute(_DELETE_FROM, (ordinal, seq, part))
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
    *told, stopped, body, _ = row
    values: Any = (*told, bool(stopped), body)
    return DeadLetter(*values)


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
