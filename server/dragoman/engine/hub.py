"""Live fan-out of committed events to whoever watches a thread in this process.

Not a log: what was missed is read from the ledger. An event reaches the hub after its commit, so a subscriber never
sees what a crash could take back. A subscriber that does not keep up is cut off, and told where to go on; it never
slows a run. A listener is told at once, and only takes note; it hears also of items of the store, which have no log.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Hashable, Sequence
from typing import Protocol, TypeVar

from dragoman.memory.errors import DragomanError
from dragoman.memory.model import Event

__all__ = ["EventHub", "Listener", "SlowSubscriber", "Subscription"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class SlowSubscriber(DragomanError):
    """The subscriber fell too far behind and was cut off. ``last_seq`` is the last event it was given."""

    def __init__(self, message: str | None = None, *, last_seq: int = 0) -> None:
        super().__init__(message)
        self.last_seq = last_seq


class Listener(Protocol):
    """Who is told of a thread. Neither call may raise, nor take long."""

    def put(self, events: Sequence[Event]) -> None:
        """These were committed."""
        ...

    def nudge(self) -> None:
        """The log, or what the thread holds beside it, has changed."""
        ...


class Subscription:
    """One subscriber's bounded queue."""

    __slots__ = ("_limit", "_nudged", "_queue", "_waiter", "overflowed")

    def __init__(self, limit: int) -> None:
        self._queue: deque[Event] | None = None  # made for the first event: an empty one is 600 bytes
        self._limit = limit
        self._waiter: asyncio.Future[None] | None = None
        self._nudged = False
        self.overflowed = False

    def put(self, events: Sequence[Event]) -> None:
        """Hand over events; past the limit the queue is emptied and the subscriber is marked."""
        if self.overflowed:
            return
        queue = self._queue
        if queue is None:
            queue = self._queue = deque()
        queue.extend(events)
        if len(queue) > self._limit:
            queue.clear()
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
        while not (queue := self._queue):
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
        return queue.popleft()


class EventHub:
    """The subscriptions of this process, by tenant and thread."""

    def __init__(self, buffer: int) -> None:
        self._buffer = buffer
        self._listeners: dict[tuple[str, str], set[Listener]] = {}
        self._of_items: dict[tuple[str, tuple[str, ...], str], set[Callable[[], None]]] = {}
        self._at_end: set[Callable[[], None]] = set()
        self.told: Counter[str] = Counter()

    def publish(self, tenant: str, thread_id: str, events: Sequence[Event]) -> None:
        """Hand committed events of one thread to its subscribers, and count them by type."""
        for event in events:
            self.told[event.type] += 1
        for listener in self._listeners.get((tenant, thread_id), ()):
            listener.put(events)

    def nudge(self, tenant: str, thread_id: str) -> None:
        """Have a thread's subscribers read its log again."""
        for listener in self._listeners.get((tenant, thread_id), ()):
            listener.nudge()

    def nudge_all(self) -> None:
        """Have the subscribers of every thread read its log again."""
        for listeners in list(self._listeners.values()):
            for listener in list(listeners):
                listener.nudge()

    def item_changed(self, tenant: str, namespace: Sequence[str], key: str) -> None:
        """Say that an item of the store was put or deleted."""
        for told in self._of_items.get((tenant, tuple(namespace), key), ()):
            told()

    def end(self) -> None:
        """Say that the engine has stopped: nothing more will be told."""
        for told in list(self._at_end):
            told()

    # -- hearing of it ------------------------------------------------------------------------------------------------
    def open(self, tenant: str, thread_id: str) -> Subscription:
        """A new subscription; close it with ``close``."""
        subscription = Subscription(self._buffer)
        self._listeners.setdefault((tenant, thread_id), set()).add(subscription)
        return subscription

    def close(self, tenant: str, thread_id: str, subscription: Subscription) -> None:
        """End a subscription."""
        _discard(self._listeners, (tenant, thread_id), subscription)

    def listen(self, tenant: str, thread_id: str, listener: Listener) -> Callable[[], None]:
        """Tell a listener of a thread; the function that ends it is returned."""
        self._listeners.setdefault((tenant, thread_id), set()).add(listener)
        return lambda: _discard(self._listeners, (tenant, thread_id), listener)

    def listen_to_item(
        self, tenant: str, namespace: Sequence[str], key: str, told: Callable[[], None]
    ) -> Callable[[], None]:
        """Call ``told`` when an item was put or deleted in this process; the function that ends it is returned."""
        place = (tenant, tuple(namespace), key)
        self._of_items.setdefault(place, set()).add(told)
        return lambda: _discard(self._of_items, place, told)

    def listen_to_end(self, told: Callable[[], None]) -> Callable[[], None]:
        """Call ``told`` when the engine has stopped; the function that ends it is returned."""
        self._at_end.add(told)
        return lambda: self._at_end.discard(told)

    def __len__(self) -> int:
        """How many listen to threads and items."""
        of_threads = sum(len(listeners) for listeners in self._listeners.values())
        return of_threads + sum(len(listeners) for listeners in self._of_items.values())


def _discard(where: dict[K, set[V]], place: K, listener: V) -> None:
    there = where.get(place)
    if there is not None:
        there.discard(listener)
        if not there:
            del where[place]
