"""All tables of the ledger that the settings name, as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dragoman.memory.blobs import BlobPlace
from dragoman.memory.postgres import postgres_ledger
from dragoman.memory.sqlite.bulk import SqliteBulk
from dragoman.settings.root import Settings
from dragoman.settings.storage import made_blobs

if TYPE_CHECKING:
    from dragoman.memory.postgres.bulk import PostgresBulk

__all__ = ["blob_place_of", "bulk_tables"]


def bulk_tables(settings: Settings) -> SqliteBulk | PostgresBulk:
    """The tables. Raises ``DragomanError`` where an extra is missing."""
    url = settings.storage_url
    if url is None:
        return SqliteBulk(settings.storage_path)
    postgres_ledger(url)  # says which extra is missing
    from dragoman.memory.postgres.bulk import PostgresBulk

    return PostgresBulk(url)


def blob_place_of(settings: Settings) -> BlobPlace | None:
    """Where its large values are; None where they are in it. Raises ``DragomanError`` where an extra is missing."""
    blobs = made_blobs(settings)
    return None if blobs is None else blobs.place
