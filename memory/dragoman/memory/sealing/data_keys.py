"""Data keys: one or more a tenant, kept in the ledger under a master key. The newest seals, all open.

``Keyring`` holds those that a process has unwrapped. It is asked within a transaction and reads through it. What it
remembers must be on disk, or what is sealed with it could not be opened: whoever rolls something back says so
(``forget``), and a transaction that others do not wait for has a ring of its own (``within``) until it has committed
(``keep``). A new key that another process has made is used within a minute.
"""

from __future__ import annotations

import hmac
import os
import time
from collections.abc import Callable
from hashlib import sha256
from typing import Any, Final

from dragoman.memory.ids import now_micros
from dragoman.memory.sealing.cipher import Cipher
from dragoman.memory.sealing.errors import Unreadable
from dragoman.memory.sealing.master_keys import KEY_BYTES, MasterKeys
from dragoman.memory.statements import SQL

__all__ = ["SEALED", "Ask", "DataKey", "Keyring"]

Ask = Callable[[str, tuple[Any, ...]], Any]
"""Runs a statement as it is, in the transaction at hand."""

SEALED: Final = b"\x01\xd7dg"
"""What a sealed value begins with. No JSON and no UTF-8 text does."""

_BY_NUMBER: Final = SQL["data_key"]
_NEWEST: Final = SQL["newest_data_key"]
_INSERT: Final = SQL["insert_data_key"]
_FRESH_S: Final = 60.0
# More tenants than this are read again when they are needed again.
_MOST: Final = 4096


class DataKey:
    """A tenant's data key; ``cipher`` seals values and ``named`` makes names that tell nothing."""

    __slots__ = ("_naming", "cipher", "encrypt", "head", "number")

    def __init__(self, number: int, key: bytes) -> None:
        self.number = number
        self.cipher = Cipher(key)
        self.encrypt = self.cipher.encrypt
        self.head = SEALED + number.to_bytes(4, "big")
        self._naming = hmac.digest(key, b"dragoman names", sha256)

    def named(self, content: bytes) -> bytes:
        """32 bytes that only this key makes of this content."""
        return hmac.digest(self._naming, content, sha256)


class Keyring:
    """The data keys that were read, by tenant and number; ``at_hand`` are the newest, and until when they are taken to
    be. Of a ``whole`` ledger all is sealed: see ``wholeness``."""

    def __init__(self, masters: MasterKeys, shared: Keyring | None = None, *, whole: bool = False) -> None:
        self.whole: bool = whole if shared is None else shared.whole
        self._masters = masters
        self._shared = shared
        self._keys: dict[tuple[str, int], DataKey] = {}
        self.at_hand: dict[str, tuple[DataKey, float]] = {}

    def within(self) -> Keyring:
        """A ring for one transaction, which reads what this one has."""
        return Keyring(self._masters, self)

    def keep(self) -> None:
        """The transaction has committed."""
        if self._shared is not None and self._keys:
            self._shared._room(len(self._keys))
            self._shared._keys.update(self._keys)
            self._shared.at_hand.update(self.at_hand)

    def forget(self) -> None:
        """Something was rolled back: what was read may never have been."""
        self._keys.clear()
        self.at_hand.clear()

    def key(self, tenant: str, number: int, ask: Ask) -> DataKey:
        """One key. Raises ``Unreadable`` when it is not there, ``MasterKeyMissing``."""
        known = self._keys.get((tenant, number))
        if known is None and self._shared is not None:
            known = self._shared._keys.get((tenant, number))
        if known is not None:
            return known
        row = ask(_BY_NUMBER, (tenant, number)).fetchone()
        if row is None:
            raise Unreadable(f"The data key {number} of tenant {tenant!r} is not in the ledger any more.")
        return self._read(tenant, row)

    def newest(self, tenant: str, ask: Ask) -> DataKey | None:
        """The key that seals; None where the tenant has none yet."""
        known = self.at_hand.get(tenant)
        if known is None and self._shared is not None:
            known = self._shared.at_hand.get(tenant)
        if known is not None and known[1] > time.monotonic():
            return known[0]
        row = ask(_NEWEST, (tenant,)).fetchone()
        if row is None:
            return None
        key = self._read(tenant, row)
        self.at_hand[tenant] = key, time.monotonic() + _FRESH_S
        return key

    def make(self, tenant: str, number: int, ask: Ask) -> DataKey | None:
        """Make a key in this transaction, the tenant's newest; None where another process was first."""
        key = os.urandom(KEY_BYTES)
        wrapped = self._masters.wrap(key, tenant, number, whole=self.whole)
        done = ask(_INSERT, (tenant, number, self._masters.first, wrapped, now_micros()))
        if done.rowcount != 1:
            return None
        made = self._keys[tenant, number] = DataKey(number, key)
        self.at_hand[tenant] = made, time.monotonic() + _FRESH_S
        return made

    def _read(self, tenant: str, row: tuple[Any, ...]) -> DataKey:
        number, master, wrapped = row
        self._room(1)
        key = DataKey(number, self._masters.unwrap(wrapped, master, tenant, number)[0])
        self._keys[tenant, number] = key
        return key

    def _room(self, more: int) -> None:
        if self._shared is None and len(self._keys) + more > _MOST:
            self.forget()
