"""How fast runs end, as a moving average in memory: what a full queue tells its callers to wait."""

from __future__ import annotations

__all__ = ["Pace"]

_WINDOW_S = 10.0
_LONGEST_S = 60.0


class Pace:
    """Counts ended runs in windows of ten seconds and keeps an average that halves with each window."""

    __slots__ = ("_count", "_rate", "_since")

    def __init__(self) -> None:
        self._count = 0
        self._rate: float | None = None
        self._since = 0

    def ended(self, now: int) -> None:
        """A run ended at ``now`` (microseconds)."""
        self._roll(now)
        self._count += 1

    def wait_for(self, depth: int, now: int) -> float:
        """Seconds until ``depth`` runs will have ended, at today's pace; a guess while nothing has ended yet."""
        self._roll(now)
        elapsed = (now - self._since) / 1e6
        current = self._count / elapsed if self._count and elapsed > 0 else None
        rate = self._rate or current
        if not rate:
            return min(1.0 + depth / 100, _LONGEST_S)
        return min(max(depth / rate, 0.1), _LONGEST_S)

    def _roll(self, now: int) -> None:
        if self._since == 0:
            self._since = now
        elapsed = (now - self._since) / 1e6
        if elapsed >= _WINDOW_S:
            current = self._count / elapsed
            self._rate = current if self._rate is None else (self._rate + current) / 2
            self._count, self._since = 0, now
