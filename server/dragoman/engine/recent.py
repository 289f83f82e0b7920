"""What the runs that ended a moment ago left in their threads, so that who waited for one reads nothing more."""

from __future__ import annotations

from collections.abc import Mapping

from dragoman.memory.model import Json, Run

__all__ = ["RecentValues"]

_MOST = 64


class RecentValues:
    """The values after the last runs that ended here; bounded, the oldest go first."""

    def __init__(self) -> None:
        self._values: dict[tuple[str, str], Mapping[str, Json]] = {}

    def keep(self, run: Run, values: Mapping[str, Json]) -> None:
        """Remember what a run left."""
        self._values[run.tenant, run.id] = values
        if len(self._values) > _MOST:
            del self._values[next(iter(self._values))]

    def of(self, run: Run) -> Mapping[str, Json] | None:
        """What a run left, if that is still known."""
        return self._values.get((run.tenant, run.id)) if run.ended else None
