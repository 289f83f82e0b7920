"""Runs by their last change of status: the order in which A2A lists tasks. Part of the contract of ``ledger.py``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from dragoman.memory.model import RunStatus, RunView

__all__ = ["Latest", "LatestLedger"]


@dataclass(frozen=True, slots=True)
class Latest:
    """Which runs: of one agent, in these statuses (None is any), changed after a moment (µs)."""

    agent: str
    statuses: frozenset[RunStatus] | None = None
    updated_after: int | None = None


class LatestLedger(Protocol):
    """The port by which runs are listed by their last change."""

    async def latest_runs(
        self, tenant: str, which: Latest, limit: int = 50, before: tuple[int, int] | None = None
    ) -> Sequence[RunView]:
        """Up to ``limit`` runs, the latest change first; ``before`` is the ``(updated_at, ordinal)`` of the last one
        seen. A page costs the same however many runs there are."""
        ...

    async def count_latest(self, tenant: str, which: Latest, most: int = 5000) -> int:
        """How many there are, counted up to ``most`` of each status."""
        ...
