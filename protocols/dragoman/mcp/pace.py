"""How often a caller may ask for something cheap that people's typing causes: so many at once, then so many a second.

Kept in memory for the callers of late; a replica counts for itself. Follows 2026-07-28 "Completion", "Security
Considerations".
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from dragoman.mcp.errors import INTERNAL, ProtocolError
from dragoman.memory.model import Principal

__all__ = ["Pace"]

_CALLERS: Final = 4096


@dataclass(slots=True)
class _Left:
    count: float
    at: float


class Pace:
    """Allows ``burst`` requests at once to a caller, and ``rate`` a second after them."""

    def __init__(self, rate: float, burst: int) -> None:
        self._rate = rate
        self._burst = burst
        self._left: OrderedDict[tuple[str, str], _Left] = OrderedDict()

    def take(self, principal: Principal, method: str) -> None:
        """Count a request. Raises ``ProtocolError`` saying when the next may come."""
        now = asyncio.get_running_loop().time()
        caller = principal.tenant, principal.subject
        left = self._left.pop(caller, None) or _Left(self._burst, now)
        self._left[caller] = left
        if len(self._left) > _CALLERS:
            self._left.popitem(last=False)
        left.count = min(self._burst, left.count + (now - left.at) * self._rate)
        left.at = now
        if left.count < 1:
            wait = (1 - left.count) / self._rate
            raise ProtocolError(INTERNAL, f"{method}: too many at once; try again in {wait:.2f} s.")
        left.count -= 1
