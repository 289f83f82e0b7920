"""The tables of the ledger: where it is, what it is sealed with, where its large values are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field, SecretStr, field_validator

from dragoman.memory.postgres import is_postgres
from dragoman.settings.values import Count, Seconds, Table, split_arguments

__all__ = ["BlobsTable", "SealingTable", "StorageTable"]


DEFAULT_STORAGE = ".dragoman/ledger.db"


class StorageTable(Table):
    """``[storage]``: the ledger, a file or a Postgres database. A relative path starts at the folder of the settings
    file; with a ``url`` it is where what belongs to this machine alone is kept."""

    path: Path = Path(DEFAULT_STORAGE)
    url: SecretStr | None = None

    @field_validator("url")
    @classmethod
    def _is_postgres(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and not is_postgres(url.get_secret_value()):
            raise ValueError("not the URL of a Postgres database: postgresql://user:password@host:5432/name")
        return url


class SealingTable(Table):
    """``[sealing]``: where the master keys come from that the ledger's values are sealed with: a ``file`` that its
    owner alone can read, from the folder of the settings file, or a ``command`` that prints them. Without either, and
    without ``DRAGOMAN_MASTER_KEYS``, nothing is sealed."""

    file: str = ""
    command: Annotated[tuple[str, ...], BeforeValidator(split_arguments)] = ()


class BlobsTable(Table):
    """``[blobs]``: where values of ``threshold`` bytes and more are kept: a folder, from that of the settings file, or
    ``s3://``, ``gs://`` or ``az://`` with a bucket. Without a ``url`` all values are in the ledger. What nothing refers
    to is collected after ``grace`` seconds and no later than three times that."""

    url: str = ""
    threshold: Annotated[Count, Field(ge=1024)] = 262_144
    grace: Annotated[Seconds, Field(ge=3600)] = 86_400.0
