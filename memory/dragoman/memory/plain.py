"""Rows of tables with their values in the open, and as they are kept: the same where nothing is sealed.

For those who read and write tables as they are (``bulk.py``); the ledgers seal within their statements. Above: exports,
imports and erasures. Below: ``sealing``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import orjson

from dragoman.memory.blobs.aside import path_of
from dragoman.memory.blobs.place import BlobPlace, NoBlob
from dragoman.memory.bulk import Bulk
from dragoman.memory.errors import InputInvalid
from dragoman.memory.sealing.cells import Cells, is_sealed
from dragoman.memory.sealing.data_keys import SEALED, Keyring
from dragoman.memory.sealing.master_keys import MasterKeys, check_known
from dragoman.memory.sealing.references import BLOB, BLOBBED, CONTENT, check
from dragoman.memory.sealing.tables import TABLES
from dragoman.memory.sealing.wholeness import is_whole
from dragoman.memory.words import text_of, words_of

__all__ = ["Plain"]

Named = dict[str, Any]

# A delivery is read with its secret, which is a row of another table.
_ELSEWHERE: Final[Mapping[tuple[str, str], tuple[str, tuple[str, ...]]]] = {
    ("deliveries", "secret"): ("delivery_secrets", ("tenant", "ordinal")),
}


class Plain:
    """Opens and seals rows within a transaction of ``bulk``. Raises ``MasterKeyMissing`` where values are sealed with
    keys that ``masters`` does not have. ``blobs`` is where large values are; what is written is in its row."""

    def __init__(self, bulk: Bulk, masters: MasterKeys | None, blobs: BlobPlace | None = None) -> None:
        check_known((master for (master,) in bulk.rows("data_keys", ("master",))), masters)
        self._cells = None if masters is None else Cells(Keyring(masters, whole=is_whole(bulk.ask)), bulk.ask)
        self._blobs = blobs

    def opened(self, table: str, row: Named) -> Named:
        """The row with its values in the open. Blocks. Raises ``Unreadable``, ``NoBlob``."""
        cells = self._cells
        plain = dict(row)
        for column, prefix, key, is_text in _sealed(table, row):
            value = row[column]
            if type(value) is bytes and value.startswith(BLOB) and prefix in BLOBBED:
                plain[column] = self._referred(value, prefix, key)
            elif cells is not None and is_sealed(value):
                plain[column] = cells.open(value, prefix, key, is_text)
            elif cells is not None:
                cells.check_plain(value, prefix, key)
        if cells is not None and table == "store_items" and is_sealed(row.get("text")):
            plain["text"] = _words(cells, plain)
        return plain

    def _referred(self, value: bytes, prefix: str, key: Sequence[Any]) -> bytes:
        """The value that is kept beside the ledger."""
        if self._blobs is None:
            raise NoBlob("The ledger refers to blobs, and [blobs] url does not say where they are.")
        name = str(key[0]), value[len(BLOB) : len(BLOB) + 32]
        content = self._unsealed(asyncio.run(self._blobs.get(path_of(name))), CONTENT, (name[0], name[1].hex()))
        check(self._unsealed(value[len(BLOB) + 32 :], prefix, key), name, content, prefix)
        return content

    def _unsealed(self, value: bytes, prefix: str, key: Sequence[Any]) -> bytes:
        if self._cells is None:
            return value
        if not is_sealed(value):
            if prefix != CONTENT:  # of a blob's contents the reference tells
                self._cells.check_plain(value, prefix, key)
            return value
        opened = self._cells.open(value, prefix, key, False)
        assert isinstance(opened, bytes)
        return opened

    def sealed(self, table: str, row: Named) -> Named:
        """The row with its values as they are to be kept. Raises ``InputInvalid``."""
        cells = self._cells
        if cells is None:
            _check_bytes(table, row)
            return row
        kept = dict(row)
        for column, prefix, key, is_text in _sealed(table, row):
            if row[column] not in (None, "", b"null", b"{}", b"[]", b""):
                kept[column] = cells.seal(row[column], prefix, key, is_text)
        if table == "store_texts" and row.get("text"):
            kept["text"] = cells.words.hidden(row["tenant"], row["text"])
        return kept


def _check_bytes(table: str, row: Named) -> None:
    for column, value in row.items():
        if type(value) is bytes and value.startswith((BLOB, SEALED)):
            raise InputInvalid(f"{table}.{column} begins as what is sealed or a blob does, and would be taken for it.")


def _sealed(table: str, row: Named) -> Iterator[tuple[str, str, list[Any], bool]]:
    """The columns that are sealed, of those that the row has."""
    if (known := TABLES.get(table)) is not None:
        for column in (*known.columns, *known.texts):
            if column in row:
                yield column, f"{table}|{column}|", [row[part] for part in known.key], column in known.texts
    for (of, column), (other, key) in _ELSEWHERE.items():
        if of == table and column in row:
            yield column, f"{other}|{column}|", [row[part] for part in key], False


def _words(cells: Cells, row: Named) -> str:
    """What is known of a text whose words are hidden: the item's text if all of its words are among them, else those
    that are."""
    text = text_of(orjson.loads(row["value"]), None)
    hidden = set(row["text"].split())
    words = words_of(text)
    known = {word for word in set(words) if cells.words.hidden(row["tenant"], word).split()[-1] in hidden}
    return text if known.issuperset(words) else " ".join(word for word in words if word in known)
