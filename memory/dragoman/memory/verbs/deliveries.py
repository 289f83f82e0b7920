"""The verbs of deliveries that the sender uses: keeping them, claiming one, moving it on."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from dragoman.memory.codec import dumps
from dragoman.memory.errors import Conflict, LeaseLost, RunNotFound
from dragoman.memory.ids import now_micros
from dragoman.memory.model import Json
from dragoman.memory.outbox import (
    Claimed,
    Delivery,
    DeliveryLease,
    DeliveryNotFound,
    DeliveryStatus,
    Move,
    NewDeadLetter,
    NewDelivery,
)
from dragoman.memory.statements import SQL
from dragoman.memory.verbs.keys import Executes
from dragoman.memory.verbs.rows import dump_mapping, load
from dragoman.memory.verbs.tx import Tx

__all__ = [
    "add_delivery",
    "claim_delivery",
    "delivery_of",
    "drop_delivery",
    "free_all",
    "move_delivery",
    "read_delivery",
    "read_due",
    "read_next",
    "release_deliveries",
    "sweep_deliveries",
]

_THREAD = SQL["thread_of_run"]
_OTHERS = SQL["other_deliveries_of_run"]
_PUT = SQL["put_delivery"]
_PUT_SECRET = SQL["put_delivery_secret"]
_DELETE_SECRET = SQL["delete_delivery_secret"]
_DELETE_SECRET_OF_DONE = SQL["delete_secret_of_done"]
_SECRET = SQL["secret_of_delivery"]
_BY_ID = SQL["delivery_by_id"]
_BY_ORDINAL = SQL["delivery_by_ordinal"]
_DUE = SQL["due_deliveries"]
_NEXT = SQL["next_delivery"]
_ANNOUNCE = SQL["announce_overdue_deliveries"]
_FREE_OVERDUE = SQL["free_overdue_deliveries"]
_FREE_OF_WORKER = SQL["free_deliveries_of_worker"]
_FREE_ALL = SQL["free_all_deliveries"]
_CLAIM = SQL["claim_delivery"]
_MOVE = SQL["move_delivery"]
_DELETE = SQL["delete_delivery"]
_DELETE_LETTERS = SQL["delete_letters_of_delivery"]
_INSERT_LETTER = SQL["insert_dead_letter"]


def delivery_of(row: Sequence[Any]) -> Delivery:
    """A row of the columns that ``outbox.sql`` names, as a value."""
    tenant, run_id, id, thread_id, kind, url, options, status, *rest = row
    return Delivery(tenant, run_id, id, thread_id, kind, url, load(options), DeliveryStatus(status), *rest)


def add_delivery(tx: Tx, new: NewDelivery, limit: int) -> Delivery:
    """See ``OutboxLedger.add_delivery``."""
    found = tx.execute(_THREAD, (new.tenant, new.run_id)).fetchone()
    if found is None:
        raise RunNotFound(f"No run {new.run_id!r}.")
    (others,) = tx.execute(_OTHERS, (new.tenant, new.run_id, new.id)).fetchone()
    if others >= limit:
        raise Conflict(f"The run has {others} deliveries already, and no more than {limit} are kept; delete one first.")
    key = new.tenant, new.run_id, new.id
    row = (*key, found[0], new.kind, new.url, dump_mapping(new.options), new.after, now_micros())
    (ordinal,) = tx.execute(_PUT, row).fetchone()
    tx.execute(_DELETE_LETTERS, (ordinal,))
    if new.secret:
        tx.execute(_PUT_SECRET, (ordinal, new.tenant, dump_mapping(new.secret)))
    else:
        tx.execute(_DELETE_SECRET, (ordinal,))
    return delivery_of(tx.execute(_BY_ORDINAL, (ordinal,)).fetchone())


def drop_delivery(tx: Tx, tenant: str, run_id: str, delivery_id: str) -> bool:
    """See ``OutboxLedger.drop_delivery``."""
    found = tx.execute(_BY_ID, (tenant, run_id, delivery_id)).fetchone()
    if found is None:
        return False
    # It first, as who sends it: what he is writing of it is there then.
    for statement in (_DELETE, _DELETE_LETTERS, _DELETE_SECRET):
        tx.execute(statement, (delivery_of(found).ordinal,))
    return True


def claim_delivery(tx: Tx, tenant: str, run_id: str, delivery_id: str, worker: str, lease_s: float) -> Claimed | None:
    """See ``OutboxLedger.claim_delivery``."""
    now = now_micros()
    found = tx.execute(_CLAIM, (worker, now + int(lease_s * 1e6), tenant, run_id, delivery_id, now)).fetchone()
    if found is None:
        return None
    turn, ordinal = found
    delivery = delivery_of(tx.execute(_BY_ORDINAL, (ordinal,)).fetchone())
    return Claimed(DeliveryLease(tenant, run_id, delivery_id, worker, turn), delivery, _secret(tx, ordinal))


def move_delivery(tx: Tx, lease: DeliveryLease, move: Move) -> None:
    """See ``OutboxLedger.move_delivery``."""
    now = now_micros()
    until = now + int(move.lease_s * 1e6) if move.keep else None
    place = (move.cursor, move.part, str(move.status), move.attempts, move.next_at, move.error, now, until)
    key = (lease.tenant, lease.run_id, lease.id, lease.turn, lease.worker)
    found = tx.execute(_MOVE, (*place, *key)).fetchone()
    if found is None:
        raise LeaseLost("The delivery is another's by now, or was deleted.")
    if move.dead is not None:
        stopped = move.status is DeliveryStatus.DEAD
        _add_letter(tx, lease.tenant, found[0], move.dead, now, stopped)
    if move.status is DeliveryStatus.DONE:
        tx.execute(_DELETE_SECRET_OF_DONE, (found[0],))


def _add_letter(tx: Tx, tenant: str, ordinal: int, dead: NewDeadLetter, now: int, stopped: bool) -> None:
    values = (tenant, ordinal, dead.seq, dead.part, dead.attempts, dead.error, now, int(stopped), dead.body)
    tx.execute(_INSERT_LETTER, values)


def release_deliveries(tx: Tx, worker: str) -> None:
    """See ``OutboxLedger.release_deliveries``."""
    tx.execute(_FREE_OF_WORKER, (now_micros(), worker))


def free_all(tx: Tx) -> None:
    """End all leases: this process has just opened the ledger, so that no other one holds any."""
    tx.execute(_FREE_ALL, (now_micros(),))


def sweep_deliveries(tx: Tx) -> int:
    """See ``OutboxLedger.sweep_deliveries``."""
    now = (now_micros(),)
    return tx.execute(_FREE_OVERDUE, now).rowcount + tx.execute(_ANNOUNCE, now).rowcount


def read_delivery(
    db: sqlite3.Connection, tenant: str, run_id: str, delivery_id: str
) -> tuple[Delivery, Mapping[str, Json]]:
    """See ``OutboxLedger.delivery``."""
    found = db.execute(_BY_ID, (tenant, run_id, delivery_id)).fetchone()
    if found is None:
        raise DeliveryNotFound(f"The run has no delivery {delivery_id!r}.")
    delivery = delivery_of(found)
    return delivery, _secret(db, delivery.ordinal)


def read_due(db: sqlite3.Connection, kinds: Sequence[str], limit: int, without: Sequence[str]) -> Sequence[Delivery]:
    """See ``OutboxLedger.due_deliveries``."""
    of, beside = dumps(list(kinds)).decode(), dumps(list(without)).decode()
    return [delivery_of(row) for row in db.execute(_DUE, (now_micros(), of, limit, beside))]


def read_next(db: sqlite3.Connection, kinds: Sequence[str]) -> int | None:
    """See ``OutboxLedger.next_delivery``."""
    (at,) = db.execute(_NEXT, (now_micros(), dumps(list(kinds)).decode())).fetchone()
    return None if at is None else int(at)


def _secret(db: Executes, ordinal: int) -> Mapping[str, Json]:
    row = db.execute(_SECRET, (ordinal,)).fetchone()
    found: dict[str, Json] = {} if row is None else load(row[0])
    return found
