"""A large value's row holds a reference: four bytes that say so, the blob's name, and the name again with the size and
SHA-256 of the value, which is sealed as the value would be. The name stands there for all to see, so that what is
referred to is found by an index; it tells nothing.

Puts references in the place of large parameters, and values in the place of references in rows. Below: ``blobs``.
Above: ``cursors``.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Any, Final

from dragoman.memory.blobs.aside import Blobs, BlobsWanted, Name
from dragoman.memory.blobs.place import NoBlob
from dragoman.memory.sealing.cells import Cells, is_sealed
from dragoman.memory.sealing.errors import Unreadable
from dragoman.memory.sealing.places import Place

__all__ = ["BLOB", "BLOBBED", "BLOBS_UNNAMED", "CONTENT", "References", "check"]

BLOB: Final = b"\x02\xd7dg"
"""What a reference begins with. No JSON and no UTF-8 text does."""
BLOBS_UNNAMED: Final = (
    "The ledger keeps large values in blobs, and no place for them is named: set [blobs] url to where they are."
)
BLOBBED: Final = frozenset(
    f"{column.replace('.', '|')}|"
    for column in (
        "runs.input",
        "runs.message",
        "runs.output",
        "steps.result",
        "events.data",
        "checkpoints.content",
        "interrupts.payload",
        "interrupts.answer",
        "artifacts.data",
        "store_items.value",
    )
)
"""The columns whose values may be put aside, as ``Column.prefix``; each has an index of its references."""
_NAME: Final = len(BLOB) + 32
CONTENT: Final = "blobs|content|"
"""What a blob's contents are sealed to, beside its tenant and name."""


class References:
    """For one transaction or connection; ``cells`` where the ledger is sealed."""

    def __init__(self, blobs: Blobs, cells: Cells | None) -> None:
        self._blobs = blobs
        self._cells = cells

    def given(self, place: Place, parameters: Sequence[Any]) -> tuple[list[Any], dict[int, bytes]]:
        """The parameters with references in place of large values, and the blobs' names by their places. Raises
        ``BlobsWanted`` for what is to be put first."""
        values = list(parameters)
        names: dict[int, bytes] = {}
        wanted: dict[Name, bytes] = {}
        for start in range(0, len(values), place.width):
            for at, prefix, _, key in place.writes:
                value = values[start + at]
                if prefix in BLOBBED and value is not None and self._is_large(value):
                    name = self._named(values[start + key[0]], value)
                    names[start + at] = name[1]
                    values[start + at] = name[1] + _measured(value)
                    if not self._blobs.put_already(name):
                        wanted[name] = self._content(name, value)
        if wanted:
            raise BlobsWanted(wanted)
        return values, names

    def bare(self, place: Place, row: Sequence[Any]) -> tuple[list[Any], dict[int, bytes]]:
        """A row with what references hold beside the blobs' names, and the names by their places."""
        values = list(row)
        names: dict[int, bytes] = {}
        for column in place.reads:
            value = row[column.at]
            if type(value) is bytes and value.startswith(BLOB) and column.prefix in BLOBBED:
                names[column.at] = value[len(BLOB) : _NAME]
                values[column.at] = value[_NAME:]
        return values, names

    def filled(
        self, place: Place, parameters: Sequence[Any], row: Sequence[Any], names: dict[int, bytes]
    ) -> tuple[Any, ...]:
        """A row with the values that it refers to. Raises ``BlobsWanted``; ``Unreadable`` with the rest of the row."""
        values = list(row)
        wanted: list[Name] = []
        broken: Unreadable | None = None
        for column in place.reads:
            blob = names.get(column.at)
            if blob is None:
                continue
            tenant = row[~column.key[0]] if column.key[0] < 0 else parameters[column.key[0]]
            try:
                values[column.at] = self._value((tenant, blob), row[column.at], column.prefix)
            except BlobsWanted as error:
                wanted += error.get
            except Unreadable as error:
                values[column.at], broken = None, error
        if wanted:
            raise BlobsWanted({}, wanted)
        if broken is not None:
            broken.row = tuple(values)
            raise broken
        return tuple(values)

    def turned(self, cell: bytes, prefix: str, key: Sequence[Any]) -> bytes | None:
        """A reference from before sealing was on, to a blob that is sealed; None for one that is. Raises
        ``BlobsWanted``, ``Unreadable``."""
        if self._cells is None or is_sealed(cell[_NAME:]):
            return None
        self._cells.check_plain(cell[_NAME:], prefix, key)
        content = self._value((key[0], cell[len(BLOB) : _NAME]), cell[_NAME:], prefix)
        name = self._named(key[0], content)
        if not self._blobs.put_already(name):
            raise BlobsWanted({name: self._content(name, content)})
        reference = self._cells.seal(name[1] + _measured(content), prefix, key, False)
        assert isinstance(reference, bytes)
        return BLOB + name[1] + reference

    def _is_large(self, value: bytes) -> bool:
        return len(value) >= self._blobs.threshold

    def _named(self, tenant: str, value: bytes) -> Name:
        if self._cells is None:
            return tenant, self._blobs.named(value, None)
        if tenant not in self._blobs.keyed:
            raise BlobsWanted({}, key=tenant)
        return tenant, self._blobs.named(value, self._cells.namer(tenant))

    def _content(self, name: Name, value: bytes) -> bytes:
        if self._cells is None:
            return value
        sealed = self._cells.seal(value, CONTENT, (name[0], name[1].hex()), False)
        assert isinstance(sealed, bytes)
        return sealed

    def _value(self, name: Name, reference: bytes, prefix: str) -> bytes:
        table, column, _ = prefix.split("|")
        try:
            content = self._blobs.at_hand(name)
        except NoBlob as error:
            raise Unreadable(
                f"What {column} of {table} refers to is gone: {error.message} Bring it back from a backup of the blobs."
            ) from None
        if self._cells is not None and is_sealed(content):
            opened = self._cells.open(content, CONTENT, (name[0], name[1].hex()), False)
            assert isinstance(opened, bytes)
            content = opened
        check(reference, name, content, prefix)
        return content


def _measured(content: bytes) -> bytes:
    """What a reference tells of a value, so that another one in its place is found out: its size and its SHA-256."""
    return len(content).to_bytes(8, "big") + sha256(content).digest()


def check(reference: bytes, name: Name, content: bytes, prefix: str) -> None:
    """Raises ``Unreadable`` unless a reference, opened, is to this blob and this is what was put there."""
    table, column, _ = prefix.split("|")
    if reference[:32] != name[1]:
        raise Unreadable(f"A reference in {column} of {table} was changed: the blob is another's.")
    if reference[32:] != _measured(content):
        raise Unreadable(f"The blob that {column} of {table} refers to was changed. Bring it back from a backup.")
