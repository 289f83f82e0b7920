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


def uuid7() -> str:
    """A new UUIDv7 in its canonical 36-character form."""
    global _last
    with _lock:
        stamp = (time.time_ns() // 1_000_000) << 12
        _last = stamp = max(stamp, _last + 1)
    value = (
        ((stamp >> 12) << 80)
        | (0x7 << 76)
        | ((stamp & 0xFFF) << 64)
        | (0b10 << 62)
        | (int.from_bytes(os.urandom(8), "big") >> 2)
    )
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def short_digest(*parts: str) -> str:
    """32 hex digits that depend on the parts alone: the same parts give the same id on every replica."""
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:32]


def now_micros() -> int:
    """The host's clock, microseconds since the epoch in UTC."""
    return time.time_ns() // 1000
