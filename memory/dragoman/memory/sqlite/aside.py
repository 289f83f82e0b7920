"""What the command line does to a ledger while a server has it open: ``SqliteKeys`` and ``SqliteDeliveries``.

Neither needs the lock file: each call is one short transaction on a connection of its own, which waits its turn. The
server looks at what is due every few seconds.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from dragoman.memory.model import ApiKey
from dragoman.memory.outbox import DeadLetter, Delivery, DeliveryCounts, DeliveryStatus
from dragoman.memory.sealing.master_keys import MasterKeys
from dragoman.memory.sqlite.connection import transact
from dragoman.memory.sqlite.sealed import check_keys, opening
from dragoman.memory.verbs.dead_letters import (
    drop_dead_letter,
    read_counts,
    read_dead_letters,
    read_deliveries,
    retry_dead_letter,
)
from dragoman.memory.verbs.keys import add_key, read_keys, revoke_key

__all__ = ["SqliteDeliveries", "SqliteKeys"]

T = TypeVar("T")


class SqliteKeys:
    """The keys of the ledger at ``path``; the file is made when it is not there. Blocks: not for the event loop."""

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)

    def add_key(self, key: ApiKey, secret_hash: bytes) -> None:
        """Keep a new key by the SHA-256 of its secret. Raises ``Conflict`` for an id or a secret that is there."""
        transact(self._path, lambda db: add_key(db, key, secret_hash))

    def keys(self, tenant: str | None = None) -> Sequence[ApiKey]:
        """All keys, revoked ones too, oldest first."""
        return transact(self._path, lambda db: read_keys(db, tenant))

    def revoke_key(self, key_id: str) -> bool:
        """Revoke; whether it was there and valid."""
        return transact(self._path, lambda db: revoke_key(db, key_id))


class SqliteDeliveries:
    """The deliveries of the ledger at ``path``. Blocks: not for the event loop. Raises ``MasterKeyMissing``."""

    def __init__(self, path: str | Path, masters: MasterKeys | None = None) -> None:
        self._path = Path(path)
        self._masters = masters

    def _do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        def checked(db: sqlite3.Connection) -> T:
            check_keys(db, self._masters)
            return work(opening(db, self._masters))

        return transact(self._path, checked)

    def dead_letters(self, tenant: str | None = None, limit: int = 100, after: int = 0) -> Sequence[DeadLetter]:
        """See ``OutboxLedger.dead_letters``."""
        return self._do(lambda db: read_dead_letters(db, tenant, limit, after))

    def deliveries(
        self, status: DeliveryStatus | None = None, limit: int = 100, tenant: str | None = None
    ) -> Sequence[Delivery]:
        """See ``OutboxLedger.deliveries``."""
        return self._do(lambda db: read_deliveries(db, tenant, None, status, limit, None)).items

    def counts(self, tenant: str | None = None) -> DeliveryCounts:
        """See ``OutboxLedger.count_deliveries``."""
        return self._do(lambda db: read_counts(db, tenant))

    def retry(self, number: int, tenant: str | None = None) -> bool:
        """See ``OutboxLedger.retry_dead_letter``."""
        return self._do(lambda db: retry_dead_letter(db, number, tenant))

    def drop(self, number: int, tenant: str | None = None) -> bool:
        """See ``OutboxLedger.drop_dead_letter``."""
        return self._do(lambda db: drop_dead_letter(db, number, tenant))
