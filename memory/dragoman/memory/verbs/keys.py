"""API keys, kept by the SHA-256 of their secrets."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Protocol

from dragoman.memory.codec import dumps
from dragoman.memory.ids import now_micros
from dragoman.memory.model import ApiKey
from dragoman.memory.statements import SQL
from dragoman.memory.verbs.rows import key_of

__all__ = ["Executes", "add_key", "delete_key", "read_key", "read_keys", "revoke_key"]

_INSERT = SQL["insert_key"]
_BY_HASH = SQL["key_by_hash"]
_ALL = SQL["all_keys"]
_OF_TENANT = SQL["keys_of_tenant"]
_REVOKE = SQL["revoke_key"]
_DELETE = SQL["delete_key"]


class Executes(Protocol):
    """A connection, or a transaction of the writer."""

    @property
    def execute(self) -> Callable[..., sqlite3.Cursor]:
        """Run one statement."""
        ...


def add_key(db: Executes, key: ApiKey, secret_hash: bytes) -> None:
    """See ``Ledger.add_key``."""
    scopes = dumps(sorted(key.scopes))
    db.execute(_INSERT, (key.id, key.tenant, key.subject, scopes, key.created_at, key.revoked_at, secret_hash))


def revoke_key(db: Executes, key_id: str) -> bool:
    """See ``Ledger.revoke_key``."""
    return db.execute(_REVOKE, (now_micros(), key_id)).rowcount == 1


def delete_key(db: Executes, tenant: str, key_id: str) -> bool:
    """See ``ErasureLedger.delete_key``."""
    return db.execute(_DELETE, (tenant, key_id)).rowcount == 1


def read_key(db: Executes, secret_hash: bytes) -> ApiKey | None:
    """See ``Ledger.find_key``."""
    row = db.execute(_BY_HASH, (secret_hash,)).fetchone()
    return None if row is None else key_of(row)


def read_keys(db: Executes, tenant: str | None) -> Sequence[ApiKey]:
    """See ``Ledger.keys``."""
    rows = db.execute(_ALL) if tenant is None else db.execute(_OF_TENANT, (tenant,))
    return [key_of(row) for row in rows]
