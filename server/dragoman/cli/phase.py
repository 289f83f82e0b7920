"""A run's status as the commands tell it. Apart, because it is an option's type and must import nothing."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Phase"]


class Phase(StrEnum):
    """Agent Protocol does not say whether an active run is queued or running, and neither do the commands."""

    ACTIVE = "active"
    WAITING = "waiting"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
