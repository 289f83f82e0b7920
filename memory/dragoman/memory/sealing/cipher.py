"""AES-256-GCM, imported by who has a key: most ledgers have none, and its import costs a start time and memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

__all__ = ["Cipher"]


class Cipher:
    """One key of 32 bytes. ``encrypt`` takes a nonce, the plain bytes and what they are sealed to."""

    __slots__ = ("_decrypt", "_refusal", "encrypt")

    def __init__(self, key: bytes) -> None:
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        cipher = AESGCM(key)
        self.encrypt: Final[Callable[[bytes, bytes, bytes], bytes]] = cipher.encrypt
        self._decrypt = cipher.decrypt
        self._refusal = InvalidTag

    def decrypt(self, nonce: bytes, sealed: bytes, to: bytes) -> bytes:
        """The plain bytes. Raises ``ValueError`` where they are not what was sealed, or not to this."""
        try:
            return self._decrypt(nonce, sealed, to)
        except self._refusal:
            raise ValueError("not what was sealed") from None
