"""The days of events: partitions are made ahead, so that midnight needs nobody, and dropped whole when their day is
forgotten.

What is made is in ``migrations/postgres/0003_event_days.sql``; here is who says when. ``dropping.py`` drops them.
Above: ``run_verbs.py``. Below: ``runner.py``.
"""

from __future__ import annotations

import asyncio
from typing import Final

from dragoman.memory.errors import DragomanError
from dragoman.memory.postgres.dialect import OWN
from dragoman.memory.postgres.runner import Runner
from dragoman.memory.postgres.tx import PostgresTx

__all__ = ["AHEAD", "Days"]

AHEAD: Final = 7
"""For how many days after today there are partitions."""

_EVERY: Final = 3600.0  # seconds
_AGAIN: Final = 60.0
_MAKE: Final = OWN["make_days"]


class Days:
    """Makes days ahead, once an hour, when it is asked to."""

    def __init__(self) -> None:
        self._next = 0.0

    async def make_ahead(self, runner: Runner) -> None:
        """Make what is missing, when it is time to look. A database that cannot now is asked again in a minute."""
        now = asyncio.get_running_loop().time()
        if now < self._next:
            return
        self._next = now + _EVERY
        try:
            await runner.write(make_days, AHEAD)
        except DragomanError:  # there are days ahead, and events that have none are kept all the same
            self._next = now + _AGAIN


def make_days(tx: PostgresTx, ahead: int) -> int:
    """Make the partitions of today and of the days after it that are missing; how many those were."""
    row = tx.send(_MAKE, (ahead,)).fetchone()
    assert row is not None
    return int(row[0])
