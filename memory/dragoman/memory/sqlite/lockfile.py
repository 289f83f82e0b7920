"""The lock file beside a ledger: it keeps a second process out and tells who holds the first place.

The lock is the kernel's (``flock``), so it ends with the process however that ends; the text in the file, JSON with
``pid`` and ``url``, only means something while the lock is held.
"""

from __future__ import annotations

import fcntl
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from dragoman.memory.errors import LedgerLocked

__all__ = ["LockFile", "LockInfo", "read_lock"]

# read_lock holds the lock, shared, for some microseconds: a first refusal is tried again before it is believed.
_TRIES = 5
_PAUSE_S = 0.01


@dataclass(frozen=True, slots=True)
class LockInfo:
    """Who has a ledger open: its process id, and the URL where it serves once that is known."""

    pid: int
    url: str | None = None


def lock_path(path: str | Path) -> Path:
    """Where the lock of the ledger at ``path`` is."""
    return Path(f"{path}.lock")


def read_lock(path: str | Path) -> LockInfo | None:
    """Who has the ledger at ``path`` open, or None when nobody has."""
    try:
        handle = os.open(lock_path(path), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return _parse(os.pread(handle, 4096, 0))
        return None
    finally:
        os.close(handle)


def _parse(text: bytes) -> LockInfo:
    try:
        found: Any = orjson.loads(text)
        return LockInfo(int(found["pid"]), found.get("url"))
    except (ValueError, TypeError, KeyError, AttributeError):
        return LockInfo(0)  # taken a moment ago, not yet written


class LockFile:
    """This process's hold on a ledger."""

    def __init__(self, path: str | Path) -> None:
        self._path = lock_path(path)
        self._ledger = path
        self._handle: int | None = None

    def acquire(self) -> None:
        """Take the lock. Raises ``LedgerLocked`` naming the process that has it."""
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        for attempt in range(_TRIES):
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if attempt < _TRIES - 1:
                    time.sleep(_PAUSE_S)
                continue
            self._handle = handle
            self.set_url(None)
            return
        holder = _parse(os.pread(handle, 4096, 0))
        os.close(handle)
        at = f", serving at {holder.url}" if holder.url else ""
        raise LedgerLocked(
            f"The ledger {self._ledger} is open in process {holder.pid or 'unknown'}{at}. "
            "Stop that process, or give this one another file."
        )

    def set_url(self, url: str | None) -> None:
        """Write into the file where this process serves."""
        if self._handle is None:
            return
        text = orjson.dumps({"pid": os.getpid(), "url": url})
        os.pwrite(self._handle, text, 0)
        os.ftruncate(self._handle, len(text))

    def release(self) -> None:
        """Give the lock back; the file stays, empty."""
        if self._handle is not None:
            os.ftruncate(self._handle, 0)
            os.close(self._handle)
            self._handle = None
