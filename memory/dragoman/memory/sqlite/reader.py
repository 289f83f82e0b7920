"""Reads: on connections of their own, so that they never wait for a write.

Two ways. ``here`` runs a read on the event loop's thread: a run by its key takes 12 µs, and would take 37 to 54 µs of
processor time by way of a thread. ``apart`` runs it in a reader's thread: lists, searches, anything whose size the
caller decides. Both see every write that has been answered.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from dragoman.memory.blobs.aside import Blobs
from dragoman.memory.errors import LedgerBusy
from dragoman.memory.sealing.master_keys import MasterKeys
from dragoman.memory.sqlite.connection import connect_reader, translated
from dragoman.memory.sqlite.sealed import opening

__all__ = ["Reader"]

P = ParamSpec("P")
T = TypeVar("T")


class Reader:
    """Two connections that cannot write."""

    def __init__(self, path: Path, masters: MasterKeys | None = None, blobs: Blobs | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        self._here = connect_reader(path)
        self._apart = connect_reader(path)
        self._seen_here = opening(self._here, masters, blobs)
        self._seen_apart = opening(self._apart, masters, blobs)
        self._blobs = blobs
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="dragoman-reader")
        self._closed = False

    def here(self, read: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Read now, on this thread. Raises what ``read`` raises, or ``LedgerBusy``."""
        if self._closed:
            raise LedgerBusy("The ledger is closed.")
        return _read(self._seen_here, read, *args, **kwargs)

    async def apart(
        self, read: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Read in the reader's thread. Raises what ``read`` raises, or ``LedgerBusy``."""
        if self._closed:
            raise LedgerBusy("The ledger is closed.")

        def apart() -> asyncio.Future[T]:
            return self._loop.run_in_executor(self._pool, lambda: _read(self._seen_apart, read, *args, **kwargs))

        return await (apart() if self._blobs is None else self._blobs.served(apart, _no_key))

    async def near(self, read: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """As ``here``, and what is in blobs is got for it."""
        if self._blobs is None:
            return self.here(read, *args, **kwargs)

        async def here() -> T:
            return self.here(read, *args, **kwargs)

        return await self._blobs.served(here, _no_key)

    async def close(self) -> None:
        """Finish the reads that run, then close."""
        if self._closed:
            return
        self._closed = True
        await self._loop.run_in_executor(None, self._pool.shutdown)
        self._here.close()
        self._apart.close()


async def _no_key(tenant: str) -> None:
    raise AssertionError(tenant)  # what reads makes none


def _read(
    db: sqlite3.Connection, read: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs
) -> T:
    try:
        return read(db, *args, **kwargs)
    except (sqlite3.Error, UnicodeEncodeError, OverflowError) as error:
        raise translated(error) from error
