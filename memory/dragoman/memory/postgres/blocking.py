"""Keys and deliveries of a ledger on Postgres, for the command line: each call opens the ledger and closes it. Blocks:
not for the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from dragoman.memory.blobs.aside import Blobs
from dragoman.memory.model import ApiKey
from dragoman.memory.outbox import DeadLetter, Delivery, DeliveryCounts, DeliveryStatus
from dragoman.memory.postgres.ledger import PostgresLedger
from dragoman.memory.sealing.master_keys import MasterKeys

__all__ = ["PostgresDeliveries", "PostgresKeys", "asked"]

T = TypeVar("T")


def asked(
    url: str,
    ask: Callable[[PostgresLedger], Awaitable[T]],
    masters: MasterKeys | None = None,
    blobs: Blobs | None = None,
    *,
    keyless: bool = False,
) -> T:
    """What a ledger answers that is opened for it."""

    async def once() -> T:
        ledger = PostgresLedger(url, connections=1, masters=masters, blobs=blobs, keyless=keyless)
        await ledger.open()
        try:
            return await ask(ledger)
        finally:
            await ledger.close()

    return asyncio.run(once())


class PostgresKeys:
    """As ``SqliteKeys``."""

    def __init__(self, url: str) -> None:
        self._url = url

    def add_key(self, key: ApiKey, secret_hash: bytes) -> None:
        """Keep a new key by the SHA-256 of its secret. Raises ``Conflict`` for an id or a secret that is there."""
        asked(self._url, lambda ledger: ledger.add_key(key, secret_hash), keyless=True)

    def keys(self, tenant: str | None = None) -> Sequence[ApiKey]:
        """All keys, revoked ones too, oldest first."""
        return asked(self._url, lambda ledger: ledger.keys(tenant), keyless=True)

    def revoke_key(self, key_id: str) -> bool:
        """Revoke; whether it was there and valid."""
        return asked(self._url, lambda ledger: ledger.revoke_key(key_id), keyless=True)


class PostgresDeliveries:
    """As ``SqliteDeliveries``."""

    def __init__(self, url: str, masters: MasterKeys | None = None, blobs: Blobs | None = None) -> None:
        self._url = url
        self._masters = masters
        self._blobs = blobs

    def _ask(self, ask: Callable[[PostgresLedger], Awaitable[T]]) -> T:
        return asked(self._url, ask, self._masters, self._blobs)

    def dead_letters(self, tenant: str | None = None, limit: int = 100, after: int = 0) -> Sequence[DeadLetter]:
        """See ``OutboxLedger.dead_letters``."""
        return self._ask(lambda ledger: ledger.dead_letters(tenant, limit, after))

    def deliveries(
        self, status: DeliveryStatus | None = None, limit: int = 100, tenant: str | None = None
    ) -> Sequence[Delivery]:
        """See ``OutboxLedger.deliveries``."""
        return self._ask(lambda ledger: ledger.deliveries(tenant, None, status, limit)).items

    def counts(self, tenant: str | None = None) -> DeliveryCounts:
        """See ``OutboxLedger.count_deliveries``."""
        return self._ask(lambda ledger: ledger.count_deliveries(tenant))

    def retry(self, number: int, tenant: str | None = None) -> bool:
        """See ``OutboxLedger.retry_dead_letter``."""
        return self._ask(lambda ledger: ledger.retry_dead_letter(number, tenant))

    def drop(self, number: int, tenant: str | None = None) -> bool:
        """See ``OutboxLedger.drop_dead_letter``."""
        return self._ask(lambda ledger: ledger.drop_dead_letter(number, tenant))
