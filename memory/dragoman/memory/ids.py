"""Identifiers: UUIDv7 strings (RFC 9562 section 5.7), so that ids sort by the time they were made.

Within a process ids are strictly increasing even in one millisecond: the 12 bits of ``rand_a`` count up and the 62
bits of ``rand_b`` are fresh random bits, which keeps an id unguessable.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time

__all__ = ["now_micros", "short_digest", "uuid7"]

_lock = threading.Lock()
_last = 0
_random = b""
# A system call for each id would also hand the interpreter's lock over, which costs more than the id.
_POOL_BYTES = 4096
os.register_at_fork(after_in_child=lambda: _forget_random())


def uuid7() -> str:
    """A new UUIDv7 in its canonical 36-character form."""
    global _last, _random
    with _lock:
        if not _random:
            _random = os.urandom(_POOL_BYTES)
        chance, _random = _random[:8], _random[8:]
        stamp = (time.time_ns() // 1_000_000) << 12
        _last = stamp = max(stamp, _last + 1)
    when = f"{stamp >> 12:012x}"
    tail = f"{0b10 << 62 | int.from_bytes(chance, 'big') >> 2:016x}"
    return f"{when[:8]}-{when[8:]}-7{stamp & 0xFFF:03x}-{tail[:4]}-{tail[4:]}"


def _forget_random() -> None:
    """A forked process must not give out its parent's ids."""
    global _random
    _random = b""


def short_digest(*parts: str) -> str:
    """32 hex digits that depend on the parts alone: the same parts give the same id on every replica."""
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:32]


def now_micros() -> int:
    """The host's clock, microseconds since the epoch in UTC."""
    return time.time_ns() // 1000
