"""How crons behave, and which of the due times that were missed are caught up. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from dragoman.engine.schedule import Schedule

__all__ = ["CronSettings", "times_to_fire"]


@dataclass(frozen=True, slots=True)
class CronSettings:
    """``misfire`` says what becomes of due times at which no server ran: ``once`` runs the last of them, ``all`` each
    of the last ``catch_up``, ``skip`` those of the last ``grace`` seconds. ``limit`` bounds a tenant's crons."""

    misfire: Literal["skip", "once", "all"] = "once"
    grace: float = 60.0
    catch_up: int = 100
    limit: int = 10_000


def times_to_fire(settings: CronSettings, schedule: Schedule, next_at: int, until: int) -> Sequence[int]:
    """Which due times from ``next_at`` to ``until`` are run, in order."""
    before = next_at - 1
    match settings.misfire:
        case "once":
            return schedule.last(before, until, 1)
        case "all":
            return schedule.last(before, until, settings.catch_up)
        case "skip":
            return schedule.last(max(before, until - int(settings.grace * 1e6)), until, settings.catch_up)
