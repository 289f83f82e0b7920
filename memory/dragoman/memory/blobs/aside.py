"""What a ledger has of blobs: which values are put aside, under which names, and what is at hand of them.

A name is made of the value and of a period of time, so that what a sweep has found old and unused is never put again
under the same name: between looking and deleting nobody can begin to refer to it. Within a period equal values of a
tenant are kept once.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from hashlib import sha256
from typing import Final, TypeVar
from urllib.parse import quote

from dragoman.memory.blobs.claiming import claim_place
from dragoman.memory.blobs.place import BlobPlace, NoBlob
from dragoman.memory.errors import LedgerBusy

__all__ = ["Blobs", "BlobsWanted", "Name"]

T = TypeVar("T")

Name = tuple[str, bytes]
"""A tenant, and the 32 bytes of a blob's name."""

_AT_ONCE: Final = 8
_KNOWN: Final = 10_000
_MOST_PASSES: Final = 100
_KEPT: Final = 64 * 1024 * 1024  # bytes


class BlobsWanted(Exception):
    """A verb cannot go on before these are put, and those at hand. It is rolled back, and is run again then. ``key`` is
    a tenant that must have a data key first, for one that is made in a transaction may not stay."""

    def __init__(self, put: Mapping[Name, bytes], get: Iterable[Name] = (), key: str | None = None) -> None:
        super().__init__("blobs are wanted")
        self.put = put
        self.get = tuple(dict.fromkeys(get))
        self.key = key


class Blobs:
    """Values of ``threshold`` bytes and more are put aside; what nothing refers to is kept for ``grace`` seconds and up
    to as many again. Used from the event loop, but for ``named``, ``put_already`` and ``at_hand``."""

    def __init__(self, place: BlobPlace, threshold: int = 262_144, grace: float = 86_400.0) -> None:
        self.place = place
        self.threshold = threshold
        self.grace = grace
        self.keyed: set[str] = set()
        self._put: dict[Name, float] = {}
        self._kept: dict[Name, bytes] = {}
        self._size = 0
        self._held: dict[Name, bytes | None] = {}
        self._holding: dict[Name, int] = {}
        self._turn = asyncio.Semaphore(_AT_ONCE)
        self._unclaimed: str | None = None

    # -- within a transaction, in any thread --------------------------------------------------------------------------
    def named(self, content: bytes, name: Callable[[bytes], bytes] | None) -> bytes:
        """The name of a value; ``name`` makes it of a sealed ledger's, so that it tells nothing."""
        period = int(time.time() / self.grace).to_bytes(8, "big")
        digest = sha256(content).digest()
        return sha256(period + digest).digest() if name is None else name(period + digest)

    def put_already(self, name: Name) -> bool:
        """Whether this process has put it a short while ago."""
        at = self._put.get(name)
        return at is not None and time.monotonic() - at < self.grace / 2

    def at_hand(self, name: Name) -> bytes:
        """What is kept under a name. Raises ``BlobsWanted``, ``NoBlob``."""
        if name in self._held:
            found = self._held[name]
            if found is None:
                raise NoBlob(f"{self.place.told} has no blob {path_of(name)}.")
            return found
        kept = self._kept.get(name)
        if kept is None:
            raise BlobsWanted({}, (name,))
        return kept

    # -- between transactions, on the loop ----------------------------------------------------------------------------
    async def claim(self, ledger: str) -> None:
        """See that the place is this ledger's; where it cannot be reached now, before anything is put there. Raises
        ``Conflict`` when it is another's."""
        self._unclaimed = ledger
        try:
            await self._claimed()
        except LedgerBusy:
            return

    async def _claimed(self) -> None:
        if self._unclaimed is not None:
            await claim_place(self.place, self._unclaimed)
            self._unclaimed = None

    async def served(self, attempt: Callable[[], Awaitable[T]], make_key: Callable[[str], Awaitable[None]]) -> T:
        """Do something that may want blobs, as often as it does; ``make_key`` sees that a tenant has a data key. Raises
        what it raises, and ``LedgerBusy``."""
        holding: list[Name] = []
        try:
            for _ in range(_MOST_PASSES):
                try:
                    return await attempt()
                except BlobsWanted as wanted:
                    if wanted.key is not None:
                        await make_key(wanted.key)
                        self.keyed.add(wanted.key)
                    await self.serve(wanted, holding)
            raise LedgerBusy("Large values have changed each time they were put aside; try again.")
        finally:
            self.release(holding)

    async def serve(self, wanted: BlobsWanted, holding: list[Name]) -> None:
        """Put and get what is wanted; what was got stays at hand until ``holding`` is released. Raises
        ``LedgerBusy``."""
        work = [self._turned(self._put_one(name, content)) for name, content in wanted.put.items()]
        await asyncio.gather(*work, *(self._turned(self._get_one(name, holding)) for name in wanted.get))

    def release(self, holding: list[Name]) -> None:
        """What was got for a verb is not needed any more."""
        for name in holding:
            self._holding[name] -= 1
            if not self._holding[name]:
                del self._holding[name]
                self._keep(name, self._held.pop(name))
        holding.clear()

    async def _turned(self, work: Awaitable[None]) -> None:
        async with self._turn:
            await work

    async def _put_one(self, name: Name, content: bytes) -> None:
        at = time.monotonic()
        await self._claimed()
        await self.place.put(path_of(name), content)
        if len(self._put) >= _KNOWN:
            self._put.clear()
        self._put[name] = at

    async def _get_one(self, name: Name, holding: list[Name]) -> None:
        found: bytes | None = None
        try:
            found = await self.place.get(path_of(name))
        except NoBlob:
            found = None
        self._held[name] = found
        self._holding[name] = self._holding.get(name, 0) + 1
        holding.append(name)

    def _keep(self, name: Name, content: bytes | None) -> None:
        if content is None or len(content) > _KEPT:
            return
        self._kept[name] = content
        self._size += len(content)
        while self._size > _KEPT:
            self._size -= len(self._kept.pop(next(iter(self._kept))))


def path_of(name: Name) -> str:
    """Where a blob lies: its tenant's folder and its name."""
    return f"t-{quote(name[0], safe='')}/{name[1].hex()}"
