"""The digest of a table: equal for equal rows, in whatever order they are read and whichever database keeps them.

The SHA-256 of each row, added up: a row that is missing, twice there or another changes the sum. Knows no table.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

__all__ = ["Digest", "Digesting"]

_MODULUS: Final = 1 << 256


class Digest(NamedTuple):
    """How many rows, and what they add up to (64 hex digits)."""

    rows: int
    sha256: str


class Digesting:
    """Adds up the rows that pass through it."""

    def __init__(self) -> None:
        self._rows = 0
        self._sum = 0

    def through(self, rows: Iterable[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
        """The same rows."""
        for row in rows:
            self._rows += 1
            self._sum += int.from_bytes(hashlib.sha256(b"".join(map(_encoded, row))).digest())
            yield row

    @property
    def digest(self) -> Digest:
        """Of what has passed."""
        return Digest(self._rows, f"{self._sum % _MODULUS:064x}")


def _encoded(value: Any) -> bytes:
    """A value as bytes that no other value and no two values together are."""
    if value is None:
        return b"n"
    if isinstance(value, bytes):
        return b"b%d:%b" % (len(value), value)
    text = str(value).encode()
    return (b"i%d:%b" if isinstance(value, int) else b"t%d:%b") % (len(text), text)
