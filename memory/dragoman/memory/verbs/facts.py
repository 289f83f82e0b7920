"""The verbs of facts: small things that expire. What has expired is not there, swept or not."""

from __future__ import annotations

import sqlite3

import orjson

from dragoman.memory.codec import dumps
from dragoman.memory.ids import now_micros
from dragoman.memory.model import Json
from dragoman.memory.statements import SQL
from dragoman.memory.verbs.tx import Tx

__all__ = ["drop_expired", "forget", "prolong", "read_fact", "remember"]

_REMEMBER = SQL["remember_fact"]
_RECALL = SQL["recall_fact"]
_PROLONG = SQL["prolong_fact"]
_FORGET = SQL["forget_fact"]
_DROP = SQL["drop_expired_facts"]

# What one sweep removes; the next one removes the rest.
_DROP_LIMIT = 200


def remember(tx: Tx, tenant: str, kind: str, key: str, value: Json, ttl_s: float, only_new: bool) -> bool:
    """See ``Ledger.remember``."""
    now = now_micros()
    parameters = (tenant, kind, key, now + int(ttl_s * 1e6), dumps(value), now, int(only_new))
    return tx.execute(_REMEMBER, parameters).rowcount == 1


def read_fact(db: sqlite3.Connection, tenant: str, kind: str, key: str) -> Json | None:
    """See ``Ledger.recall``."""
    row = db.execute(_RECALL, (tenant, kind, key, now_micros())).fetchone()
    return None if row is None else orjson.loads(row[0])


def prolong(tx: Tx, tenant: str, kind: str, key: str, ttl_s: float) -> bool:
    """See ``Ledger.prolong``."""
    now = now_micros()
    return tx.execute(_PROLONG, (now + int(ttl_s * 1e6), tenant, kind, key, now)).rowcount == 1


def forget(tx: Tx, tenant: str, kind: str, key: str) -> bool:
    """See ``Ledger.forget``."""
    row = tx.execute(_FORGET, (tenant, kind, key)).fetchone()
    return row is not None and row[0] > now_micros()


def drop_expired(tx: Tx, now: int) -> None:
    """Remove some of what has expired."""
    tx.execute(_DROP, (now, _DROP_LIMIT))
