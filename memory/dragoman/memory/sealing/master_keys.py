"""Master keys: they wrap the data keys, and never leave the process.

Several at once for a rotation: the first wraps, all unwrap. A key's id is made from it, so that nobody has to name keys
and a wrong one is found out at once. Knows no ledger; where keys come from is the settings' to say.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from hashlib import sha256

from dragoman.memory.sealing.cipher import Cipher
from dragoman.memory.sealing.errors import MasterKeyMissing, Unreadable

__all__ = ["KEY_BYTES", "MasterKeys"]

KEY_BYTES = 32
_NONCE = 12
_TAG = 16
# What a data key is wrapped as, where all of the ledger is sealed.
_WHOLE = b"\x01"


class MasterKeys:
    """Keys of 32 bytes each, the first of which wraps. Raises ``ValueError`` for none, or one of another length."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys or any(len(key) != KEY_BYTES for key in keys):
            raise ValueError(f"master keys are {KEY_BYTES} bytes each, and there is at least one")
        self._ciphers = {_id_of(key): Cipher(key) for key in keys}
        self.first = _id_of(keys[0])

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of all, the first one first."""
        return tuple(self._ciphers)

    def check(self, used: Iterable[str]) -> None:
        """Raises ``MasterKeyMissing`` unless all these ids are known."""
        check_known(used, self)

    def wrap(self, key: bytes, tenant: str, number: int, *, whole: bool) -> bytes:
        """A data key under the first master key, sealed to its place and to whether all of its ledger is sealed."""
        nonce = os.urandom(_NONCE)
        sealed = self._ciphers[self.first].encrypt(nonce, key, _place(self.first, tenant, number, whole))
        return (_WHOLE if whole else b"") + nonce + sealed

    def unwrap(self, wrapped: bytes, master: str, tenant: str, number: int) -> tuple[bytes, bool]:
        """A data key, and whether all of its ledger is sealed. Raises ``MasterKeyMissing``; ``Unreadable`` for one that
        was changed or is another's."""
        if master not in self._ciphers:
            check_known((master,), self)
        whole = len(wrapped) > _NONCE + KEY_BYTES + _TAG
        nonce, sealed = wrapped[whole : whole + _NONCE], wrapped[whole + _NONCE :]
        try:
            return self._ciphers[master].decrypt(nonce, sealed, _place(master, tenant, number, whole)), whole
        except ValueError:
            raise Unreadable(
                f"Data key {number} of tenant {tenant!r} does not open with the master key {master} that wraps it: its"
                " row in data_keys was changed. Restore that row from a backup."
            ) from None


def check_known(used: Iterable[str], keys: MasterKeys | None) -> None:
    """Raises ``MasterKeyMissing`` unless the master keys with these ids were given."""
    given = () if keys is None else keys.ids
    missing = sorted(set(used) - set(given))
    if missing:
        told = f"this process was given {', '.join(given)}" if given else "this process was given none"
        raise MasterKeyMissing(
            f"The ledger is sealed with the master key {', '.join(missing)}, and {told}. Nothing can be read without"
            " it: name it again under [sealing] (file or command), or in DRAGOMAN_MASTER_KEYS, after the new one where"
            " keys are being rotated."
        )


def _id_of(key: bytes) -> str:
    return sha256(b"dragoman master key\x00" + key).hexdigest()[:12]


def _place(master: str, tenant: str, number: int, whole: bool) -> bytes:
    return f"data key{', all is sealed' if whole else ''}|{master}|{number}|{tenant}".encode()
