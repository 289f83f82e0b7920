"""Blobs that nothing refers to are collected: what was put long ago, in a period whose names are not made any more."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import unquote

from dragoman.memory.blobs.aside import Blobs, Name
from dragoman.memory.blobs.claiming import claim_place
from dragoman.memory.errors import DragomanError

__all__ = ["sweep", "sweep_on"]

_PATH = re.compile(r"t-([^/]*)/([0-9a-f]{64})")
_DRAFT = re.compile(r"t-[^/]*/[0-9a-f]{64}[^/]+\.part")
_PIECE: Final = 100
_OFTEN: Final = 3600.0  # seconds


async def sweep(blobs: Blobs, unused: Callable[[list[Name]], Awaitable[list[Name]]]) -> int:
    """Delete blobs that were put more than two periods of grace ago and that ``unused`` says nothing refers to; how
    many there were. Raises ``LedgerBusy``."""
    count = 0
    async for part in blobs.place.older(2 * blobs.grace):
        await blobs.place.delete([path for path in part if _DRAFT.fullmatch(path)])
        paths = {_name(path): path for path in part if _PATH.fullmatch(path)}
        names = list(paths)
        for at in range(0, len(names), _PIECE):
            over = await unused(names[at : at + _PIECE])
            await blobs.place.delete([paths[name] for name in over])
            count += len(over)
    return count


async def sweep_on(blobs: Blobs, ledger: str, unused: Callable[[list[Name]], Awaitable[list[Name]]]) -> None:
    """Sweep now and then what is this ledger's, until cancelled."""
    while True:
        await asyncio.sleep(min(_OFTEN, blobs.grace))
        try:
            await claim_place(blobs.place, ledger)  # whose it is may have been changed by hand
            await sweep(blobs, unused)
        except DragomanError:  # out of reach: the next time
            continue


def _name(path: str) -> Name:
    found = _PATH.fullmatch(path)
    assert found is not None
    return unquote(found[1]), bytes.fromhex(found[2])
