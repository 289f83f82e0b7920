"""What the outbox asks of those who use it: words for events, headers, signatures; and how it behaves.

Plain values and protocols. A face gives a ``Kind``; the engine learns no protocol by it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from dragoman.auth.egress import Egress
from dragoman.memory.model import Event, Json, Run
from dragoman.memory.outbox import Delivery

__all__ = ["Kind", "Message", "OutboxSettings", "Outgoing", "Projection", "Signer"]


@dataclass(frozen=True, slots=True)
class Message:
    """One request to send."""

    body: bytes
    content_type: str = "application/json"


class Projection(Protocol):
    """One delivery's view of its run."""

    async def take(self, event: Event) -> Sequence[Message]:
        """What to send for an event, none for most kinds of events. Asked for every event of the run in order, from
        its first one on, also for those that were delivered before; the same events give the same messages."""
        ...


class Kind(Protocol):
    """How deliveries of a kind are put into words."""

    def open(self, delivery: Delivery, run: Run) -> Projection:
        """Begin at the run's first event."""
        ...

    def headers(
        self, delivery: Delivery, secret: Mapping[str, Json], message_id: str, at: int, body: bytes
    ) -> Mapping[str, str]:
        """Headers of a request that is made ``at`` seconds since the epoch."""
        ...


class Signer(Protocol):
    """Signs requests."""

    def headers(self, tenant: str, message_id: str, at: int, body: bytes) -> Mapping[str, str]:
        """Headers for a message that is sent ``at`` seconds since the epoch."""
        ...


@dataclass(frozen=True, slots=True)
class OutboxSettings:
    """How the outbox behaves. Times are seconds, sizes bytes.

    ``concurrency`` bounds the requests at once, ``per_host`` those to one host. ``timeout`` is for one request as a
    whole. A message that failed ``attempts`` times is a dead letter. Before attempt n+1 it waits a random time of at
    most ``backoff`` × 2^(n-1), and never more than ``backoff_limit``; a receiver's Retry-After may make it longer, up
    to that limit. ``body_limit`` is the largest request, ``answer_limit`` how much of an answer is read. ``linger`` is
    how long a place is kept for a run that goes on, while nobody else needs it. ``per_run`` bounds a run's deliveries.
    """

    concurrency: int = 64
    per_host: int = 16
    timeout: float = 15.0
    attempts: int = 24
    backoff: float = 2.0
    backoff_limit: float = 3600.0
    body_limit: int = 4_194_304
    answer_limit: int = 16_384
    linger: float = 5.0
    per_run: int = 20


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What an engine needs to send."""

    settings: OutboxSettings = OutboxSettings()
    egress: Egress = field(default_factory=Egress)
    signers: tuple[Signer, ...] = ()
