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
# Random hex digits, and how many of them are used. A system call for each id would also hand the interpreter's lock
# over, which costs more than the id.
_random = ""
_used = 0
_POOL_BYTES = 4096
_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}
os.register_at_fork(after_in_child=lambda: _forget_random())


def uuid7() -> str:
    """A new UUIDv7 in its canonical 36-character form."""
    global _last, _random, _used
    with _lock:
        if _used >= len(_random):
            _random, _used = os.urandom(_POOL_BYTES).hex(), 0
        chance = _random[_used : _used + 16]
        _used += 16
        stamp = (time.time_ns() // 1_000_000) << 12
        _last = stamp = max(stamp, _last + 1)
    text = f"{stamp:015x}"
    return f"{text[:8]}-{text[8:12]}-7{text[12:]}-{_VARIANT[chance[0]]}{chance[1:4]}-{chance[4:]}"


def _forget_random() -> None:
    """A forked process must not give out its parent's ids."""
    global _random
    _random = ""


def short_digest(*parts: str) -> str:
    """32 hex digits that depend on the parts alone: the same parts give the same id on every replica."""
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:32]


def now_micros() -> int:
    """The host's clock, microseconds since the epoch in UTC."""
    return time.time_ns() // 1000
