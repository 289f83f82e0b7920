"""A subscriber's view of a thread: replay from the ledger, then live, without a gap and without repeating.

The rule: the subscription is opened before the first read, events are taken in the order of ``seq``, and where the
live queue skips a number the log is read again.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator

from dragoman.engine.hub import EventHub, Subscription
from dragoman.memory.ledger import Ledger
from dragoman.memory.model import Event

__all__ = ["ENDINGS", "follow"]

ENDINGS = frozenset({"run.succeeded", "run.failed", "run.cancelled"})
_STARTS = frozenset({"run.queued", "run.started", "run.resumed", "run.asleep"})
_PAGE = 500


class _Cursor:
    """Where a subscriber is: the last number seen, and how the run it watches stood there."""

    def __init__(self, after: int, run_id: str | None, until_ended: bool) -> None:
        self.last = after
        self._run_id = run_id
        self._until_ended = until_ended
        self.over: bool | None = None

    def take(self, event: Event) -> bool:
        """Advance; whether the subscriber is to see this event."""
        self.last = event.seq
        if self._run_id is None:
            return True
        if event.run_id != self._run_id:
            return False
        if event.type in ENDINGS or (event.type == "run.waiting" and not self._until_ended):
            self.over = True
        elif event.type in _STARTS:
            self.over = False
        return True


async def follow(
    ledger: Ledger, hub: EventHub, tenant: str, thread_id: str, after: int, run_id: str | None, until_ended: bool
) -> AsyncGenerator[Event, None]:
    """Events of a thread with ``seq > after``: those in the log, then the live ones.

    With ``run_id`` only that run's, and the stream ends when the run has settled (with ``until_ended``: has ended).
    """
    subscription = hub.open(tenant, thread_id)
    try:
        settled = await _settled(ledger, tenant, thread_id, run_id, until_ended)
        cursor = _Cursor(after, run_id, until_ended)
        while True:
            async for event in _replay(ledger, tenant, thread_id, cursor):
                yield event
            if cursor.over or (settled and cursor.over is None):
                return
            while (live := await _next(subscription, cursor)) is not None:
                if cursor.take(live):
                    yield live
                if cursor.over:
                    return
    finally:
        hub.close(tenant, thread_id, subscription)


async def _settled(ledger: Ledger, tenant: str, thread_id: str, run_id: str | None, until_ended: bool) -> bool:
    if run_id is None:
        await ledger.thread(tenant, thread_id)
        return False
    run = (await ledger.load(tenant, run_id)).run
    return run.ended if until_ended else run.settled


async def _replay(ledger: Ledger, tenant: str, thread_id: str, cursor: _Cursor) -> AsyncGenerator[Event, None]:
    while True:
        page = await ledger.events(tenant, thread_id, cursor.last, _PAGE)
        for event in page:
            if cursor.take(event):
                yield event
        if len(page) < _PAGE:
            return


async def _next(subscription: Subscription, cursor: _Cursor) -> Event | None:
    """The next live event in order, or None where the log must be read again."""
    while True:
        event = await subscription.get(cursor.last)
        if event is None or event.seq == cursor.last + 1:
            return event
        if event.seq > cursor.last:
            return None
