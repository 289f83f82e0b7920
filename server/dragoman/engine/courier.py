"""One delivery at work: reads its run's log from where it stands, sends what there is to send, and moves the place.

Under a lease of the ledger. Ends when the run has ended and all is told, when a message fails (the delivery then waits
for its time), when somebody else needs the place, or when there was nothing to send for a while. ``outbox`` starts it
and decides when; ``sending`` makes one request.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from functools import partial

from dragoman.engine.backoff import wait_after
from dragoman.engine.outgoing import Kind, Message, Outgoing
from dragoman.engine.sending import Outcome, Sender
from dragoman.engine.subscribe import ENDINGS
from dragoman.memory.errors import LeaseLost, NotFound
from dragoman.memory.ids import now_micros, short_digest
from dragoman.memory.ledger import Ledger
from dragoman.memory.model import Event
from dragoman.memory.outbox import Claimed, DeliveryStatus, Move, NewDeadLetter

__all__ = ["LEASE_MARGIN", "Courier"]

LEASE_MARGIN = 30.0
"""Seconds by which a lease outlives the request that is made under it."""

_log = logging.getLogger("dragoman.outbox")
_PAGE = 500
_KEPT_BODY = 65_536  # bytes of a dead letter's body; a larger one is in the run's log alone


class _Over(Exception):
    """The delivery does not go on now; where it stands is written."""


class Courier:
    """Sends for one claimed delivery. A listener of the hub: news of the thread wakes it."""

    def __init__(self, ledger: Ledger, outgoing: Outgoing, kind: Kind, claimed: Claimed) -> None:
        delivery = claimed.delivery
        self.delivery = delivery
        self.idle = False
        self.missed = False  # whether the log has had news since it was last read
        self.began = asyncio.get_running_loop().time()
        self._ledger = ledger
        self._settings = outgoing.settings
        self._kind = kind
        self._lease = claimed.lease
        self._cursor: int = delivery.cursor
        self._part, self._attempts = delivery.part, delivery.attempts
        self._sender = Sender(outgoing, delivery, partial(kind.headers, delivery, claimed.secret))
        self._name = short_digest(delivery.tenant, delivery.run_id, delivery.id)
        self._wake = asyncio.Event()
        self._leave = False
        self._reading = delivery.cursor + 1

    def put(self, events: Sequence[Event]) -> None:
        """The log has something new."""
        self.missed = True
        self._wake.set()

    def nudge(self) -> None:
        """The log may have something new."""
        self.put(())

    def leave(self) -> None:
        """End after the message that is being sent."""
        self._leave = True
        self._wake.set()

    async def drive(self) -> bool:
        """Send until nothing is to be sent now; whether only a new event can bring something to send."""
        try:
            async with aclosing(self._messages()) as messages:
                async for event, part, message in messages:
                    await self._deliver(event, part, message)
                    if self._leave:
                        await self._move(next_at=now_micros())
                        return False
            await self._move()
            return True
        except (_Over, LeaseLost, NotFound):  # the last two: deleted, replaced, or forgotten with its run
            return False
        except Exception as error:
            _log.exception("a delivery of run %s could not be put into words", self.delivery.run_id)
            return await self._broken(error)
        finally:
            self._sender.close()

    # -- reading ------------------------------------------------------------------------------------------------------
    async def _messages(self) -> AsyncGenerator[tuple[Event, int, Message], None]:
        """What is to be sent, each with its event and its number in it, from 0."""
        delivery = self.delivery
        run = (await self._ledger.load(delivery.tenant, delivery.run_id)).run
        projection = self._kind.open(delivery, run)
        seq = 0
        while True:
            self.missed = False
            page = await self._ledger.events(delivery.tenant, delivery.thread_id, seq, _PAGE, delivery.run_id)
            for event in page:
                seq = self._reading = event.seq
                messages = await projection.take(event)
                if seq > self._cursor:
                    told = self._part if seq == self._cursor + 1 else 0
                    for part, message in enumerate(messages[told:], told):
                        yield event, part, message
                    self._cursor, self._part = seq, 0
                if event.type in ENDINGS:
                    await self._end("")
            if len(page) < _PAGE and not await self._news():
                return

    async def _news(self) -> bool:
        """Wait for the log to go on, for a while and only as long as nobody else needs the place."""
        self.idle = True
        try:
            if not self.missed:
                self._wake.clear()
                if self._leave:
                    return False
                async with asyncio.timeout(self._settings.linger):
                    await self._wake.wait()
        except TimeoutError:
            return False
        finally:
            self.idle = False
        return not self._leave

    # -- sending ------------------------------------------------------------------------------------------------------
    async def _deliver(self, event: Event, part: int, message: Message) -> None:
        """Send one message and write that it is told. Raises ``_Over`` when it was not."""
        if len(message.body) > self._settings.body_limit:
            error = f"the message has {len(message.body)} bytes, and at most {self._settings.body_limit} are sent"
            letter = NewDeadLetter(event.seq, part, 0, error)
            await self._told(event, part, letter)  # it would never be taken: what follows must not wait for it
            return
        outcome = await self._sender.send(f"msg_{self._name}_{event.seq}_{part}", message)
        if outcome.gone:
            await self._end(outcome.error)
        if outcome.error:
            await self._failed(event, part, message, outcome)
        await self._told(event, part)

    async def _told(self, event: Event, part: int, letter: NewDeadLetter | None = None) -> None:
        self._cursor, self._part, self._attempts = event.seq - 1, part + 1, 0
        await self._move(keep=True, dead=letter)

    async def _failed(self, event: Event, part: int, message: Message, outcome: Outcome) -> None:
        settings = self._settings
        self._cursor, self._part, self._attempts = event.seq - 1, part, self._attempts + 1
        _log.warning(
            "delivery %s of run %s: attempt %d of %d failed: %s",
            self._name,
            self.delivery.run_id,
            self._attempts,
            settings.attempts,
            outcome.error,
        )
        if self._attempts >= settings.attempts:
            body = message.body if len(message.body) <= _KEPT_BODY else None
            letter = NewDeadLetter(event.seq, part, self._attempts, outcome.error, body)
            await self._move(status=DeliveryStatus.DEAD, error=outcome.error, dead=letter)
        else:
            wait = wait_after(self._attempts, settings.backoff, settings.backoff_limit, outcome.wait)
            await self._move(next_at=now_micros() + int(wait * 1e6), error=outcome.error)
        raise _Over

    async def _end(self, error: str) -> None:
        await self._move(status=DeliveryStatus.DONE, error=error)
        raise _Over

    async def _broken(self, error: Exception) -> bool:
        """A fault of ours: tried again as any failure, for an update of this server may mend it."""
        self._attempts += 1
        told = f"internal error: {type(error).__name__}"
        wait = wait_after(self._attempts, self._settings.backoff, self._settings.backoff_limit)
        try:
            if self._attempts < self._settings.attempts:
                await self._move(next_at=now_micros() + int(wait * 1e6), error=told)
            else:
                letter = NewDeadLetter(self._reading, self._part, self._attempts, told)
                await self._move(status=DeliveryStatus.DEAD, error=told, dead=letter)
        except LeaseLost:
            pass
        return False

    async def _move(
        self,
        status: DeliveryStatus = DeliveryStatus.ACTIVE,
        next_at: int | None = None,
        error: str = "",
        dead: NewDeadLetter | None = None,
        *,
        keep: bool = False,
    ) -> None:
        place = (self._cursor, self._part, status, self._attempts, next_at, error, dead, keep)
        await self._ledger.move_delivery(self._lease, Move(*place, self._settings.timeout + LEASE_MARGIN))
