"""The ledger that the settings name, a file or a database, and the tables of it that commands edit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dragoman.memory.blobs import Blobs, blob_place
from dragoman.memory.blobs.opening import is_url
from dragoman.memory.postgres import postgres_ledger
from dragoman.memory.sealing import MasterKeys
from dragoman.memory.sealing.turning import Sealing
from dragoman.memory.sqlite import SqliteDeliveries, SqliteKeys, SqliteLedger
from dragoman.memory.sqlite.sealing import SqliteSealing
from dragoman.settings.master_keys import master_keys
from dragoman.settings.root import Settings

if TYPE_CHECKING:
    from dragoman.memory.postgres.blocking import PostgresDeliveries, PostgresKeys
    from dragoman.memory.postgres.ledger import PostgresLedger

__all__ = ["Sealing", "delivery_table", "is_there", "key_table", "made_blobs", "made_ledger", "sealing"]


def made_ledger(settings: Settings) -> SqliteLedger | PostgresLedger:
    """The ledger, not opened. Raises ``DragomanError`` where an extra is missing, and as ``master_keys`` does."""
    url = settings.storage_url
    keys = master_keys(settings)
    blobs = made_blobs(settings)
    if url is None:
        return SqliteLedger(settings.made_storage(), masters=keys, blobs=blobs)
    return postgres_ledger(url, keys, blobs)


def made_blobs(settings: Settings) -> Blobs | None:
    """Where its large values are; None where they are in it. Raises ``DragomanError`` where an extra is missing."""
    table = settings.blobs
    if not table.url:
        return None
    place = table.url if is_url(table.url) else str((settings.base / Path(table.url).expanduser()).absolute())
    return Blobs(blob_place(place), table.threshold, table.grace)


def is_there(settings: Settings) -> bool:
    """Whether there may be something in it: a file that nobody made has nothing."""
    return settings.storage_url is not None or settings.storage_path.exists()


def key_table(settings: Settings) -> SqliteKeys | PostgresKeys:
    """Its API keys."""
    url = settings.storage_url
    if url is None:
        return SqliteKeys(settings.storage_path)
    postgres_ledger(url)  # says which extra is missing
    from dragoman.memory.postgres.blocking import PostgresKeys

    return PostgresKeys(url)


def delivery_table(settings: Settings) -> SqliteDeliveries | PostgresDeliveries:
    """Its deliveries and dead letters."""
    url, keys = settings.storage_url, master_keys(settings)
    if url is None:
        return SqliteDeliveries(settings.storage_path, keys)
    postgres_ledger(url)
    from dragoman.memory.postgres.blocking import PostgresDeliveries

    return PostgresDeliveries(url, keys, made_blobs(settings))


def sealing(settings: Settings, keys: MasterKeys) -> Sealing:
    """Its keys and what is sealed with them."""
    url = settings.storage_url
    if url is None:
        return SqliteSealing(settings.storage_path, keys, made_blobs(settings))
    postgres_ledger(url)
    from dragoman.memory.postgres.sealing import PostgresSealing

    return PostgresSealing(url, keys, made_blobs(settings))
