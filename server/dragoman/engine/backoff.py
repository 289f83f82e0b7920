"""How long to wait after a failure: pure functions."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

__all__ = ["retry_after", "wait_after"]


def wait_after(
    attempts: int, base: float, limit: float, asked: float | None = None, chance: Callable[[], float] = random.random
) -> float:
    """Seconds to wait after so many failures in a row: exponential with full jitter, and no less than was ``asked``."""
    longest = min(limit, base * 2.0 ** min(attempts - 1, 60))
    return max(longest * chance(), min(asked or 0.0, limit))


def retry_after(value: str | None, now: datetime | None = None) -> float | None:
    """The header Retry-After (RFC 9110, section 10.2.3) in seconds; None where it is missing or says nothing."""
    if not value:
        return None
    if value.strip().isascii() and value.strip().isdigit():
        return float(value[:9])
    try:
        at = parsedate_to_datetime(value)
    except ValueError:
        return None
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at
    return max(0.0, (at - (now or datetime.now(UTC))).total_seconds())
