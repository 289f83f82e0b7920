"""Live fan-out of committed events to whoever watches a thread in this process.

Not a log: what was missed is read from the ledger. An event reaches the hub after its commit, so a subscriber never
sees what a crash could take back. A subscriber that does not keep up is cut off, and told where to go on; it never
slows a run.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence

from dragoman.memory.errors import DragomanError
from dragoman.memory.model import Event

__all__ = ["EventHub", "SlowSubscriber", "Subscription"]


class SlowSubscriber(DragomanError):
    """The subscriber fell too far behind and was cut off. ``last_seq`` is the last event it was given."""

    def __init__(self, message: str | None = None, *, last_seq: int = 0) -> None:
        super().__init__(message)
        self.last_seq = last_seq


class Subscription:
    """One subscriber's bounded queue."""

    __slots__ = ("_limit", "_nudged", "_queue", "_waiter", "overflowed")

    def __init__(self, limit: int) -> None:
        self._queue: deque[Event] = deque()
        self._limit = limit
        self._waiter: asyncio.Future[None] | None = None
        self._nudged = False
        self.overflowed = False

    def put(self, events: Sequence[Event]) -> None:
        """Hand over events; past the limit the queue is emptied and the subscriber is marked."""
        if self.overflowed:
            return
        self._queue.extend(events)
        if len(self._queue) > self._limit:
            self._queue.clear()
            self.overflowed = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def nudge(self) -> None:
        """Say that the log holds events that were not handed over."""
        self._nudged = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def get(self, last_seq: int) -> Event | None:
        """The next event, or None when the log must be read again. Raises ``SlowSubscriber`` after an overflow."""
        while not self._queue:
            if self._nudged:
                self._nudged = False
                return None
            if self.overflowed:
                raise SlowSubscriber(
                    f"More than {self._limit} events were waiting for this subscriber, so it was cut off; "
                    f"subscribe again after event {last_seq}.",
                    last_seq=last_seq,
                )
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        return self._queue.popleft()


class EventHub:
    """The subscriptions of this process, by tenant and thread."""

    def __init__(self, buffer: int) -> None:
        self._buffer = buffer
        self._subscriptions: dict[tuple[str, str], set[Subscription]] = {}

    def publish(self, tenant: str, thread_id: str, events: Sequence[Event]) -> None:
        """Hand committed events of one thread to its subscribers."""
        for subscription in self._subscriptions.get((tenant, thread_id), ()):
            subscription.put(events)

    def nudge(self, tenant: str, thread_id: str) -> None:
        """Have a thread's subscribers read its log again."""
        for subscription in self._subscriptions.get((tenant, thread_id), ()):
            subscription.nudge()

    def open(self, tenant: str, thread_id: str) -> Subscription:
        """A new subscription; close it with ``close``."""
        subscription = Subscription(self._buffer)
        self._subscriptions.setdefault((tenant, thread_id), set()).add(subscription)
        return subscription

    def close(self, tenant: str, thread_id: str, subscription: Subscription) -> None:
        """End a subscription."""
        there = self._subscriptions.get((tenant, thread_id))
        if there is not None:
            there.discard(subscription)
            if not there:
                del self._subscriptions[tenant, thread_id]

    def __len__(self) -> int:
        return sum(len(s) for s in self._subscriptions.values())
