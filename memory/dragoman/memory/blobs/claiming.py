"""A place of blobs is one ledger's: an object in it says whose, for a second one would collect what the first refers
to.

Written by whoever serves the ledger first, and never collected. Above: the ledgers, when they are opened.
"""

from __future__ import annotations

from typing import Any, Final

import orjson

from dragoman.memory.blobs.place import BlobPlace, NoBlob
from dragoman.memory.errors import Conflict

__all__ = ["MARKER", "claim_place"]

MARKER: Final = "ledger.json"
"""What the object is called; no blob is called so."""


async def claim_place(place: BlobPlace, ledger: str) -> None:
    """See that a place is this ledger's, which it becomes when it is nobody's. Of two that do so at once one is first.

    Raises ``Conflict`` when it is another's, ``LedgerBusy`` when the place cannot be reached.
    """
    try:
        found = await place.get(MARKER)
    except NoBlob:
        await place.create(MARKER, orjson.dumps({"dragoman": "blobs", "ledger": ledger}) + b"\n")
        found = await place.get(MARKER)  # who was first
    owner = _owner(found)
    if owner != ledger:
        raise Conflict(
            f"The blobs in {place.told} are another ledger's: {MARKER} there names {owner}, this one is {ledger}. Two"
            " ledgers would delete each other's: give this one a folder or prefix of its own by [blobs] url. If the"
            f" other one is no more and this one is to have its blobs, delete {MARKER} there."
        )


def _owner(content: bytes) -> str:
    try:
        found: Any = orjson.loads(content)
        return str(found["ledger"])
    except (ValueError, TypeError, KeyError):
        return "nobody that can be read"
