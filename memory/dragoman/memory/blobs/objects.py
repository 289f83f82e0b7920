"""Blobs in an object store, through obstore. Needs the extra ``blobs``. Credentials are where the store's own tools
look for them: the environment, or the machine's role."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import from_url

from dragoman.memory.blobs.place import NoBlob
from dragoman.memory.errors import DragomanError, LedgerBusy

__all__ = ["Objects"]

_SCHEMES: Final = ("s3", "s3a", "gs", "az", "abfs", "abfss")
_WAIT: Final = timedelta(seconds=30)
_TRIES: Final = 4
_FIRST_PAUSE: Final = timedelta(milliseconds=100)


class Objects:
    """See ``BlobPlace``."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in _SCHEMES or "@" in parts.netloc:
            raise DragomanError("[blobs] url: a folder, or s3://, gs:// or az:// with a bucket, is expected.")
        self.told = f"{parts.scheme}://{parts.netloc}{parts.path}"
        try:
            self._store: Any = from_url(
                url,
                client_options={"timeout": _WAIT, "allow_http": True},
                retry_config={
                    "max_retries": _TRIES,
                    "retry_timeout": _WAIT,
                    "backoff": {"init_backoff": _FIRST_PAUSE, "max_backoff": timedelta(seconds=2), "base": 2},
                },
            )
        except (BaseError, ValueError) as error:
            raise DragomanError(f"[blobs] url: {self.told}: {_said(error)}") from None

    async def put(self, name: str, data: bytes) -> None:
        """See ``BlobPlace.put``."""
        try:
            await obstore.put_async(self._store, name, data)
        except (BaseError, OSError) as error:  # OSError: there is no such bucket, or it is not ours
            raise self._busy(error) from None

    async def create(self, name: str, data: bytes) -> bool:
        """See ``BlobPlace.create``. A store that knows no condition writes what comes last."""
        try:
            await obstore.put_async(self._store, name, data, mode="create")
        except AlreadyExistsError:
            return False
        except (BaseError, OSError) as error:
            raise self._busy(error) from None
        return True

    async def get(self, name: str) -> bytes:
        """See ``BlobPlace.get``."""
        try:
            return bytes(await (await obstore.get_async(self._store, name)).bytes_async())
        except FileNotFoundError:
            raise NoBlob(f"{self.told} has no blob {name}.") from None
        except (BaseError, OSError) as error:
            raise self._busy(error) from None

    async def delete(self, names: Sequence[str]) -> None:
        """See ``BlobPlace.delete``."""
        for name in names:
            try:
                await obstore.delete_async(self._store, name)
            except FileNotFoundError:
                continue
            except (BaseError, OSError) as error:
                raise self._busy(error) from None

    async def older(self, seconds: float) -> AsyncIterator[Sequence[str]]:
        """See ``BlobPlace.older``."""
        until = datetime.now(UTC) - timedelta(seconds=seconds)
        try:
            listed: Any = obstore.list(self._store, chunk_size=1000)  # pyright: ignore[reportUnknownMemberType]
            async for part in listed:
                yield [each["path"] for each in part if each["last_modified"] < until]
        except (BaseError, OSError) as error:
            raise self._busy(error) from None

    def _busy(self, error: BaseException) -> LedgerBusy:
        return LedgerBusy(f"The blob store {self.told} cannot be reached now: {_said(error)}")


def _said(error: BaseException) -> str:
    return str(error).strip().split("\n", 1)[0][:200] or type(error).__name__
