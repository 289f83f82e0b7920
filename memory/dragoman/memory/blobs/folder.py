"""Blobs in a folder of this machine, each safe from a power failure before it is referred to."""

from __future__ import annotations

import asyncio
import errno
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
_NO_LINKS = (errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP, errno.EMLINK)


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
        await self._apart(lambda: _write(self._path / name, data, new=False))

    async def create(self, name: str, data: bytes) -> bool:
        """See ``BlobPlace.create``."""
        return await self._apart(lambda: _write(self._path / name, data, new=True))

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


def _appear(draft: Path, path: Path) -> None:
    """Give a file its name, unless another has it. Raises ``FileExistsError``."""
    try:
        os.link(draft, path)  # unlike a rename, replaces nothing
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        draft.replace(path)


def _write(path: Path, data: bytes, *, new: bool) -> bool:
    """Whether it was written: with ``new`` nothing is overwritten."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}{uuid7()}{_DRAFT}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if new:
            _appear(draft, path)
        else:
            draft.replace(path)
    except FileExistsError:
        return False
    finally:
        draft.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return True
