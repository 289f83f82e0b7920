"""Who may take a run, and how many at once. Part of the contract of ``ledger.py``.

A worker says what it drives and within which bounds; the ledger gives it runs so that each tenant gets its share. A
kind of run is an agent and a version of it. Plain values; what is decided with them is in ``verbs/due.py``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Final, Protocol

__all__ = [
    "ANY_RUN",
    "PRIORITIES",
    "AdmissionLedger",
    "ClaimTerms",
    "Kinds",
    "Undriven",
    "drives",
    "kind_of",
    "rank_of",
]

Kinds = Mapping[str, tuple[str, ...]]
"""What a worker drives: by agent, its version and the patterns (``1.*``) of others whose runs it goes on with."""

PRIORITIES: Final = range(-10, 11)
"""The priorities of runs; 0 is the usual one, and a higher one starts earlier."""

_LEVEL: Final = 60_000_000  # microseconds that one level of priority is worth


def rank_of(created_at: int, priority: int) -> int:
    """What a tenant's runs start in the order of, in microseconds: a level of priority is worth a minute of waiting."""
    return created_at - priority * _LEVEL


def kind_of(kind: str) -> tuple[str, str]:
    """The agent and the version of a kind as the ledger tells it; no agent's name has an ``@``."""
    agent, _, version = kind.partition("@")
    return agent, version


def drives(kinds: Kinds | None, agent: str, version: str) -> bool:
    """Whether a worker that drives these goes on with a run of this agent and version; None drives all."""
    if kinds is None:
        return True
    return any(version == known or fnmatchcase(version, known) for known in kinds.get(agent, ()))


@dataclass(frozen=True, slots=True)
class ClaimTerms:
    """What a worker takes, and how the places that it has are shared.

    ``kinds`` is what it drives, None for all. ``agent_limits`` (by agent) and ``tenant_limit`` are how many runs may be
    running at once, whichever workers have them. ``reserve`` of the places asked for are for tenants that are not in
    ``holding``, one each. ``after`` is the tenant that was given the last place: the others come first.
    """

    kinds: Kinds | None = None
    agent_limits: Mapping[str, int] = field(default_factory=dict[str, int])
    tenant_limit: int | None = None
    reserve: int = 0
    holding: frozenset[str] = frozenset()
    after: str = ""


ANY_RUN: Final = ClaimTerms()


@dataclass(frozen=True, slots=True)
class Undriven:
    """Runs that wait for a worker that drives their agent's version: ``count`` of them, at most 1,000, the oldest
    submitted at ``since`` (microseconds)."""

    agent: str
    version: str
    count: int
    since: int


class AdmissionLedger(Protocol):
    """Who drives what, and what waits for whom."""

    async def announce(self, worker: str, kinds: Kinds, ttl_s: float) -> None:
        """Say what a worker drives, for ``ttl_s`` seconds."""
        ...

    async def withdraw(self, worker: str) -> None:
        """Say that a worker drives nothing any more."""
        ...

    async def waits(self, kinds: Kinds) -> tuple[bool, bool]:
        """Whether runs of these kinds are due whose turn it may be, and whether there are others, which wait for their
        thread."""
        ...

    async def undriven(self, kinds: Kinds) -> Sequence[Undriven]:
        """What is due and driven neither by a worker of ``kinds`` nor by one that was announced."""
        ...
