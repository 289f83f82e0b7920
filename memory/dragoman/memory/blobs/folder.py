"""Blobs in a folder of this machine, each safe from a power failure before it is referred to."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TypeVar

from dragoman.memory.blobs.place import NoBlob
from dragoman.memory.errors import LedgerBusy
from dragoman.memory.ids import uuid7

__all__ = ["Folder"]

T = TypeVar("T")
_PART = 1000
_DRAFT = ".part"


class Folder:
    """See ``BlobPlace``. Files are for their owner alone."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def told(self) -> str:
        """See ``BlobPlace.told``."""
        return str(self._path)

    async def put(self, name: str, data: bytes) -> None:
        """See ``BlobPlace.put``."""
        await self._apart(lambda: _write(self._path / name, data))

    async def get(self, name: str) -> bytes:
        """See ``BlobPlace.get``."""
        try:
            return await self._apart((self._path / name).read_bytes)
        except FileNotFoundError:
            raise NoBlob(f"{self.told} has no blob {name}.") from None

    async def delete(self, names: Sequence[str]) -> None:
        """See ``BlobPlace.delete``."""

        def remove() -> None:
            for name in names:
                (self._path / name).unlink(missing_ok=True)

        await self._apart(remove)

    async def older(self, seconds: float) -> AsyncIterator[Sequence[str]]:
        """See ``BlobPlace.older``."""
        found = self._older(time.time() - seconds)
        while part := await asyncio.to_thread(lambda: list(islice(found, _PART))):
            yield part

    def _older(self, until: float) -> Iterator[str]:
        for folder, _, names in os.walk(self._path):
            for file in (Path(folder, name) for name in names):
                try:
                    if file.stat().st_mtime < until:
                        yield file.relative_to(self._path).as_posix()
                except FileNotFoundError:  # another server's sweep was first
                    continue

    async def _apart(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.to_thread(work)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise LedgerBusy(f"Blobs cannot be kept in {self.told} now: {error.strerror or error}.") from None


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}{uuid7()}{_DRAFT}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
