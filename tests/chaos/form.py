"""How long and how often: the counts of the fault suite, from the environment. `make chaos` asks for the long form.

``CHAOS_KILLS`` is how often processes are killed, ``CHAOS_FAULTS`` how often each other fault is done,
``CHAOS_SECONDS`` how long a test goes on with that at most, ``CHAOS_SEED`` makes the moments and the choices repeat.
"""

from __future__ import annotations

import os
import random
import time
from typing import Final

__all__ = ["FAULTS", "KILLS", "SECONDS", "SEED", "Turns"]

KILLS: Final = int(os.environ.get("CHAOS_KILLS", "8"))
FAULTS: Final = int(os.environ.get("CHAOS_FAULTS", "1"))
SECONDS: Final = float(os.environ.get("CHAOS_SECONDS", "600"))
SEED: Final = int(os.environ.get("CHAOS_SEED", "7"))


class Turns:
    """Counts faults, up to ``most`` and until the time is over; ``chance`` is the test's own."""

    def __init__(self, name: str, most: int) -> None:
        self.name = name
        self.chance = random.Random(f"{SEED} {name}")
        self.done = 0
        self._most = most
        self._until = time.monotonic() + SECONDS

    def more(self) -> bool:
        """Whether there is to be one more; the first is always done."""
        if self.done >= self._most or (self.done and time.monotonic() > self._until):
            return False
        self.done += 1
        return True
