"""How fast runs end, as a moving average in memory: what a full queue tells its callers to wait. And how much room a
queue is known to have, so that it is not counted for every run."""

from __future__ import annotations

__all__ = ["Pace"]

_WINDOW_S = 10.0
_LONGEST_S = 60.0
_MOST_QUEUES = 4096


class Pace:
    """Counts ended runs in windows of ten seconds and keeps an average that halves with each window.

    ``sharers`` is how many processes may fill a queue at once: each takes that part of the room which it counted and
    counts again, so that a queue is not overfilled by more than they meet by chance.
    """

    __slots__ = ("_count", "_rate", "_room", "_sharers", "_since")

    def __init__(self, sharers: int = 1) -> None:
        self._count = 0
        self._rate: float | None = None
        self._since = 0
        self._sharers = sharers
        self._room: dict[str, tuple[int, int]] = {}

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

    def takes_room(self, queue: str, limit: int) -> bool:
        """Whether a queue is known to have room for one more, which is then taken."""
        left, known = self._room.get(queue, (0, limit))
        if left <= 0 or known != limit:
            return False
        self._room[queue] = left - 1, limit
        return True

    def counted(self, queue: str, limit: int, depth: int) -> None:
        """A queue was counted, for one more that it has room for."""
        if len(self._room) >= _MOST_QUEUES:
            self._room.clear()
        self._room[queue] = (limit - depth - 1) // self._sharers, limit

    def _roll(self, now: int) -> None:
        if self._since == 0:
            self._since = now
        elapsed = (now - self._since) / 1e6
        if elapsed >= _WINDOW_S:
            current = self._count / elapsed
            self._rate = current if self._rate is None else (self._rate + current) / 2
            self._count, self._since = 0, now
