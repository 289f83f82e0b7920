"""How many runs a worker takes at a time: as many as it has places for, fewer where it does not keep up.

What is measured is how long the event loop takes for one turn and how long the ledger takes to give runs out. Pure but
for the clock; ``worker.py`` asks.
"""

from __future__ import annotations

import asyncio
from typing import Final

__all__ = ["Load", "turn_of_loop"]

_SLOW_TURN: Final = 0.1  # seconds of one turn of the loop
_SLOW_CLAIM: Final = 1.0  # seconds until the ledger has given runs out
_LONGEST_PAUSE: Final = 0.5


class Load:
    """How many to take, of ``places`` at most: halved by each sign of strain, doubled where there is none."""

    def __init__(self, places: int) -> None:
        self._places = places
        self.most = places
        self.pause = 0.0
        """Seconds to leave to what is at work before more is taken."""

    @property
    def strained(self) -> bool:
        """Whether fewer are taken than there are places."""
        return self.most < self._places

    def told(self, turn: float, claim: float) -> None:
        """How long a turn of the loop and a claim have taken, in seconds."""
        if turn > _SLOW_TURN or claim > _SLOW_CLAIM:
            self.most = max(1, self.most // 2)
            self.pause = min(max(turn, claim), _LONGEST_PAUSE)
        else:
            self.most = min(self._places, self.most * 2)
            self.pause = 0.0


async def turn_of_loop() -> float:
    """How long one turn of the event loop takes, in seconds."""
    loop = asyncio.get_running_loop()
    begun = loop.time()
    await asyncio.sleep(0)
    return loop.time() - begun
