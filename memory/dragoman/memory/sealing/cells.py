"""One value, sealed and opened; and the parameters and rows of a statement, of which ``places`` says what is sealed.

A sealed value is four bytes that say so (no JSON begins with them), the data key's number, a nonce of 96 random bits
and what AES-256-GCM makes of the value; of a text, the character U+0001 and the rest in Base64. What does not begin so
was written before sealing was on, and is read as it is, unless all of the ledger is sealed (``wholeness``). Below:
``data_keys``. Above: ``cursors``, and the ledgers.
"""

from __future__ import annotations

import os
from binascii import Error as NotBase64
from binascii import a2b_base64, b2a_base64
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any, Final

from dragoman.memory.errors import LedgerBusy
from dragoman.memory.sealing.data_keys import SEALED, Ask, DataKey, Keyring
from dragoman.memory.sealing.errors import Unreadable
from dragoman.memory.sealing.places import Column, Place
from dragoman.memory.sealing.words import Words

__all__ = ["SEALED", "Cells", "is_sealed"]

_MARK: Final = "\x01"
_MAGIC: Final = len(SEALED)
_HEAD: Final = _MAGIC + 4
_NONCE: Final = 12
_MOST_AHEAD: Final = 64  # nonces
# They tell nothing, and much of what is kept is these.
_SHORT: Final = 15
_SEPARATOR: Final = "\x1f"
_TWO: Final = 2
_THREE: Final = 3
_NOTHING: Final = frozenset((None, b"null", b"{}", b"[]", b"", ""))
_ATTEMPT: Final = b'{"attempt":'
# The mark of the events that are gone, which the database itself writes.
_THROUGH: Final = b'{"through":'
_EVENTS: Final = "events|data|"


def is_sealed(value: Any) -> bool:
    """Whether a value as it is kept is sealed."""
    return value.startswith(_MARK) if type(value) is str else type(value) is bytes and value.startswith(SEALED)


def _tells_nothing(value: Any) -> bool:
    """Of a short value: whether it is empty, or the number of an attempt."""
    return value in _NOTHING or (type(value) is bytes and value.startswith(_ATTEMPT) and value[11:-1].isdigit())


def _may_be_plain(value: Any, prefix: str) -> bool:
    """Whether a value is kept in plain also where all is sealed."""
    if len(value) < _SHORT and _tells_nothing(value):
        return True
    return prefix == _EVENTS and value.startswith(_THROUGH) and value[len(_THROUGH) : -1].isdigit()


def _number(value: Any, text: bool) -> int:
    """Of the data key; 0, which none has, for what begins as a sealed text and is none."""
    try:
        head = a2b_base64(value[1:9]) if text else value[_MAGIC:_HEAD]
    except ValueError:
        return 0
    return int.from_bytes(head[:4], "big")


def _named(values: Sequence[Any], start: int, key: Sequence[int]) -> str:
    """What names the row that begins at ``start``: as ``_joined``, quicker."""
    if len(key) == _THREE:
        first, second, third = key
        named = f"{values[start + first]}\x1f{values[start + second]}\x1f{values[start + third]}"
        if named.count(_SEPARATOR) == _THREE - 1:
            return named
    elif len(key) == _TWO:
        first, second = key
        named = f"{values[start + first]}\x1f{values[start + second]}"
        if named.count(_SEPARATOR) == 1:
            return named
    return _joined([values[start + part] for part in key])


def _joined(names: Sequence[Any]) -> str:
    """What names a row. Where one part holds the separator, lengths keep it from running into the next."""
    parts = [str(name) for name in names]
    named = _SEPARATOR.join(parts)
    if named.count(_SEPARATOR) == len(parts) - 1:
        return named
    return _SEPARATOR + "".join([f"{len(part)}:{part}" for part in parts])


def _sealed_to(prefix: str, names: Sequence[Any]) -> bytes:
    return (prefix + _joined(names)).encode()


def _drawn(number: int) -> list[bytes]:
    drawn = os.urandom(_NONCE * number)
    return [drawn[at : at + _NONCE] for at in range(0, len(drawn), _NONCE)]


class Cells:
    """Seals and opens within one transaction, or on one connection; ``ask`` runs a statement on it as it is."""

    def __init__(self, keys: Keyring, ask: Ask) -> None:
        self._keys = keys
        self._ask = ask
        self._nonces: list[bytes] = []
        self._ahead = 2
        self.words = Words(self._first, self._sealing)

    def forget(self) -> None:
        """Something was rolled back."""
        self._keys.forget()

    # -- statements ---------------------------------------------------------------------------------------------------
    def sealed(self, place: Place, parameters: Sequence[Any]) -> list[Any]:
        """The parameters of a statement with what is to be sealed sealed; those of several rows follow each other."""
        values = list(parameters)
        if place.numbered is not None and values:
            self._seal_numbered(place.numbered, place.width, values)
            return values
        width, writes, nonces = place.width, place.writes, self._nonces
        tenant = data = None
        for start in range(0, len(values), width):
            named = ""
            for at, prefix, text, key in writes:
                value = values[start + at]
                if value is None or (len(value) < _SHORT and _tells_nothing(value)):
                    continue
                if not named:  # all columns of a statement are of one row
                    named = _named(values, start, key)
                    if data is None or tenant != values[start + key[0]]:
                        tenant = values[start + key[0]]
                        data = self._sealing(tenant)
                assert data is not None
                nonce = nonces.pop() if nonces else self._nonce()
                plain: bytes = value.encode() if text else value
                whole = data.head + nonce + data.encrypt(nonce, plain, (prefix + named).encode())
                values[start + at] = _MARK + b2a_base64(whole[_MAGIC:], newline=False).decode() if text else whole
        return values

    def _seal_numbered(self, column: Column, width: int, values: list[Any]) -> None:
        """Seal the one column of rows that are numbered within something else, events above all: many at once, and
        mostly alike in all that names them but the number."""
        at, prefix, _, (first, second, third) = column
        cells, of, within, numbers = (values[start::width] for start in (at, first, second, third))
        tenant = of[0]
        if of.count(tenant) < len(of) or any(_SEPARATOR in name for name in {tenant, *within}):
            for row, value in enumerate(cells):
                if value is not None and not (len(value) < _SHORT and _tells_nothing(value)):
                    cells[row] = self.seal(value, prefix, (of[row], within[row], numbers[row]), False)
            values[at::width] = cells
            return
        data = self._sealing(tenant)
        head, encrypt, stem = data.head, data.encrypt, f"{prefix}{tenant}{_SEPARATOR}"
        values[at::width] = [
            value
            if value is None or (len(value) < _SHORT and _tells_nothing(value))
            else head + nonce + encrypt(nonce, value, f"{stem}{name}\x1f{number}".encode())
            for value, name, number, nonce in zip(cells, within, numbers, self._some(len(cells)), strict=True)
        ]

    def _nonce(self) -> bytes:
        """96 random bits that are used once. Some are drawn ahead, the more the more are used: a transaction's few
        want few. No connection outlives a fork, nor does this."""
        if not self._nonces:
            self._nonces += _drawn(self._ahead)
            self._ahead = min(self._ahead * 4, _MOST_AHEAD)
        return self._nonces.pop()

    def _some(self, number: int) -> list[bytes]:
        """As many nonces."""
        return _drawn(number) if number >= _MOST_AHEAD else [self._nonce() for _ in range(number)]

    def opened(self, place: Place, parameters: Sequence[Any], row: Sequence[Any]) -> tuple[Any, ...]:
        """A row with what is sealed opened. Raises ``Unreadable``, with the rest of the row."""
        values = list(row)
        broken: Unreadable | None = None
        for at, prefix, text, key in place.reads:
            value = row[at]
            if not value:
                continue
            sealed = value[0] == _MARK if text else value.startswith(SEALED)
            if sealed or self._keys.whole:
                names = [row[~part] if part < 0 else parameters[part] for part in key]
                try:
                    if sealed:
                        values[at] = self.open(value, prefix, names, text)
                    else:
                        self.check_plain(value, prefix, names)
                except Unreadable as error:
                    values[at], broken = None, error
        if broken is not None:
            broken.row = tuple(values)
            raise broken
        return tuple(values)

    # -- values -------------------------------------------------------------------------------------------------------
    def seal(self, value: Any, prefix: str, key: Sequence[Any], text: bool) -> bytes | str:
        """A value sealed to its column and row; ``key`` names the row and begins with the tenant."""
        data, nonce = self._sealing(key[0]), self._nonce()
        whole = data.head + nonce + data.encrypt(nonce, value.encode() if text else value, _sealed_to(prefix, key))
        return _MARK + b2a_base64(whole[_MAGIC:], newline=False).decode() if text else whole

    def open(self, value: Any, prefix: str, key: Sequence[Any], text: bool) -> bytes | str:
        """A sealed value. Raises ``Unreadable`` for one that was changed or belongs elsewhere."""
        try:
            whole = SEALED + a2b_base64(value[1:]) if text else value
            data = self._keys.key(key[0], int.from_bytes(whole[_MAGIC:_HEAD], "big"), self._ask)
            nonce, sealed = whole[_HEAD : _HEAD + _NONCE], whole[_HEAD + _NONCE :]
            plain = data.cipher.decrypt(nonce, sealed, _sealed_to(prefix, key))
        except (NotBase64, ValueError):
            table, column, _ = prefix.split("|")
            raise Unreadable(
                f"What is kept in {column} of {table} {', '.join(map(str, key[1:]))} cannot be read: it was changed, or"
                " belongs to another row. Everything else can; restore this row from a backup."
            ) from None
        return plain.decode() if text else plain

    def check_plain(self, value: Any, prefix: str, key: Sequence[Any]) -> None:
        """Raises ``Unreadable`` for a value that is not sealed, where all is."""
        if self._keys.whole and value and not _may_be_plain(value, prefix):
            table, column, _ = prefix.split("|")
            raise Unreadable(
                f"What is kept in {column} of {table} {', '.join(map(str, key[1:]))} is not sealed, and all of this"
                " ledger is: somebody else wrote it. Everything else can be read; restore this row from a backup."
            )

    def turned(self, value: Any, prefix: str, key: Sequence[Any], text: bool) -> bytes | str | None:
        """A value that is there already under the newest data key; None where it is, or needs none."""
        if value is None or (len(value) < _SHORT and _tells_nothing(value)):
            return None
        if is_sealed(value):
            if _number(value, text) == self._sealing(key[0]).number:
                return None
            value = self.open(value, prefix, key, text)
        else:
            self.check_plain(value, prefix, key)
        return self.seal(value, prefix, key, text)

    def namer(self, tenant: str) -> Callable[[bytes], bytes]:
        """What makes names of a tenant's values that tell nothing."""
        return self._sealing(tenant).named

    # -- keys ---------------------------------------------------------------------------------------------------------
    def _sealing(self, tenant: str) -> DataKey:
        """The key that seals, made when there is none."""
        known = self._keys.at_hand.get(tenant)
        if known is not None and known[1] > monotonic():
            return known[0]
        for _ in range(3):
            found = self._keys.newest(tenant, self._ask) or self._keys.make(tenant, 1, self._ask)
            if found is not None:
                return found
        raise LedgerBusy(f"The data key of tenant {tenant!r} is being made by another process; try again.")

    def _first(self, tenant: str) -> DataKey | None:
        """The tenant's first key; None while it has none."""
        return None if self._keys.newest(tenant, self._ask) is None else self._keys.key(tenant, 1, self._ask)
