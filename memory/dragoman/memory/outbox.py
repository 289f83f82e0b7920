"""What is owed to others: the values of the outbox, and the ledger's verbs for them.

A delivery is a run's log, told to an address. The log is the queue and ``cursor`` the place in it: what a running run
commits is not written twice, and nothing that is committed can be missed. Not a sender: it knows no HTTP and no
protocol; the engine above claims, sends and moves the cursor. Part of the contract of ``ledger.py``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from dragoman.memory.errors import NotFound
from dragoman.memory.model import Json, Page

__all__ = [
    "Claimed",
    "DeadLetter",
    "Delivery",
    "DeliveryCounts",
    "DeliveryLease",
    "DeliveryNotFound",
    "DeliveryStatus",
    "Move",
    "NewDeadLetter",
    "NewDelivery",
    "OutboxLedger",
]


class DeliveryNotFound(NotFound):
    """No such delivery."""


class DeliveryStatus(StrEnum):
    """``done``: the run has ended and all of it was told. ``dead``: an event could not be delivered, and what comes
    after it waits for an operator."""

    ACTIVE = "active"
    DONE = "done"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class NewDelivery:
    """A delivery to keep; ``id`` is unique in the run.

    ``kind`` says who puts events into words. ``options`` are what that one needs and may be shown; ``secret`` is what
    must not be, kept apart. ``after`` is the number of the last event that is not to be told; 0 tells all of the run.
    """

    tenant: str
    run_id: str
    id: str
    kind: str
    url: str
    options: Mapping[str, Json] = field(default_factory=dict[str, Json])
    secret: Mapping[str, Json] = field(default_factory=dict[str, Json])
    after: int = 0


@dataclass(frozen=True, slots=True)
class Delivery:
    """A delivery as it is kept.

    ``cursor`` is the number of the last event that is done with, and ``part`` how many messages of the next one were
    delivered. ``attempts`` failed in a row, the last with ``error``; ``next_at`` is when to look at it again, in
    microseconds, and None where only a new event can make it due.
    """

    tenant: str
    run_id: str
    id: str
    thread_id: str
    kind: str
    url: str
    options: Mapping[str, Json]
    status: DeliveryStatus
    cursor: int
    part: int
    attempts: int
    next_at: int | None
    error: str
    created_at: int
    updated_at: int
    ordinal: int


@dataclass(frozen=True, slots=True)
class DeliveryLease:
    """The right to send for a delivery and to move it. ``turn`` is the fence: it rises with every claim."""

    tenant: str
    run_id: str
    id: str
    worker: str
    turn: int


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery to send for, and what only the sender may know."""

    lease: DeliveryLease
    delivery: Delivery
    secret: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class NewDeadLetter:
    """A message that is given up. ``body`` is None where it was too large to be kept beside the log."""

    seq: int
    part: int
    attempts: int
    error: str
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that was given up, and where it was to go. ``number`` is the operator's name for it. ``stopped`` says
    that its delivery waits at it."""

    number: int
    tenant: str
    run_id: str
    delivery_id: str
    kind: str
    url: str
    seq: int
    part: int
    attempts: int
    error: str
    at: int
    stopped: bool
    body: bytes | None


@dataclass(frozen=True, slots=True)
class Move:
    """What became of a claimed delivery: its place and its failures from now on, and what was given up.

    With ``keep`` the lease goes on for ``lease_s`` seconds; otherwise it ends, and the delivery is due at ``next_at``
    (microseconds), or at the next event where that is None.
    """

    cursor: int
    part: int = 0
    status: DeliveryStatus = DeliveryStatus.ACTIVE
    attempts: int = 0
    next_at: int | None = None
    error: str = ""
    dead: NewDeadLetter | None = None
    keep: bool = False
    lease_s: float = 60.0


@dataclass(frozen=True, slots=True)
class DeliveryCounts:
    """``active``: still to be told of something, or waiting for it. ``stopped``: wait at a dead letter."""

    active: int
    stopped: int
    dead_letters: int


class OutboxLedger(Protocol):
    """The verbs of deliveries. Where a verb takes a ``tenant`` that may be None, None is the operator's view of all."""

    async def add_delivery(self, new: NewDelivery, limit: int) -> Delivery:
        """Keep a delivery, due at once. One with this id is replaced, at its place in the log unless ``after`` is
        further, and its failures are forgotten; whoever sends for it loses the lease.

        Raises ``RunNotFound``; ``Conflict`` when the run has ``limit`` others.
        """
        ...

    async def delivery(self, tenant: str, run_id: str, delivery_id: str) -> tuple[Delivery, Mapping[str, Json]]:
        """One delivery and its secret, which is empty once the delivery is done. Raises ``DeliveryNotFound``."""
        ...

    async def deliveries(
        self,
        tenant: str | None,
        run_id: str | None = None,
        status: DeliveryStatus | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> Page[Delivery]:
        """Deliveries, oldest first; with ``run_id`` (and its tenant) that run's alone. Raises ``InputInvalid`` for a
        cursor that is not ours."""
        ...

    async def drop_delivery(self, tenant: str, run_id: str, delivery_id: str) -> bool:
        """Forget a delivery, its secret and its dead letters; whether it was there."""
        ...

    async def due_deliveries(self, kinds: Sequence[str], limit: int, without: Sequence[str] = ()) -> Sequence[Delivery]:
        """Active deliveries of these kinds that nobody sends for and whose time has come, the longest due first; none
        whose URL begins with one of ``without``, which are in lower case."""
        ...

    async def next_delivery(self, kinds: Sequence[str]) -> int | None:
        """When the next delivery of these kinds is due after now, in microseconds."""
        ...

    async def claim_delivery(
        self, tenant: str, run_id: str, delivery_id: str, worker: str, lease_s: float = 60.0
    ) -> Claimed | None:
        """Take an active delivery that nobody sends for and that does not wait after a failure; None otherwise."""
        ...

    async def move_delivery(self, lease: DeliveryLease, move: Move) -> None:
        """Say what became of a claimed delivery. A power failure may take it back (never a crash of the process), so
        that something is delivered twice. Raises ``LeaseLost``."""
        ...

    async def release_deliveries(self, worker: str) -> None:
        """End all leases of a worker; what it sent for is due at once."""
        ...

    async def sweep_deliveries(self) -> int:
        """Make due what nobody will announce: deliveries whose lease ran out, and those that wait for an event that is
        there already. How many there were."""
        ...

    async def dead_letters(self, tenant: str | None = None, limit: int = 100, after: int = 0) -> Sequence[DeadLetter]:
        """What was given up, oldest first, with ``number > after``."""
        ...

    async def retry_dead_letter(self, number: int, tenant: str | None = None) -> bool:
        """Take a delivery up again at its dead letter, due at once: that message and all after it are told (again),
        in order. The letter and the later ones of its delivery are gone. Whether it was there."""
        ...

    async def drop_dead_letter(self, number: int, tenant: str | None = None) -> bool:
        """Forget a dead letter. A delivery that waits at it goes on with what comes after. Whether it was there."""
        ...

    async def count_deliveries(self, tenant: str | None = None) -> DeliveryCounts:
        """How many there are."""
        ...
