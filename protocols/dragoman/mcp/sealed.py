"""Sealed tokens: what a client carries for us and can neither read, change, nor use for another caller.

AES-256-GCM under a key that replicas share; keys that it took the place of still open. The purpose and the caller are
authenticated with it, so a token of one kind or one principal opens nowhere else; each token says when it lapses. Used
for ``requestState`` and for the ids of streams that are gone on with.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from dragoman.memory.codec import dumps, loads
from dragoman.memory.model import Json, Principal

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

__all__ = ["BadSeal", "Lapsed", "Sealer"]

_NONCE = 12
_LONGEST = 4096


class BadSeal(Exception):
    """The token is not ours, was changed, or was given to another caller."""


class Lapsed(BadSeal):
    """The token is ours, and its time is over."""


class Sealer:
    """Seals small JSON objects into URL-safe text. ``previous`` are keys that open what was sealed before."""

    def __init__(self, key: bytes, previous: Sequence[bytes] = ()) -> None:
        self._keys = [hashlib.sha256(b"dragoman.mcp sealed token\x00" + each).digest() for each in (key, *previous)]
        self._ciphers: list[AESGCM] = []

    def seal(self, purpose: str, principal: Principal, payload: Mapping[str, Json], ttl: float) -> str:
        """A token that ``open`` takes for ``ttl`` seconds, for the same purpose and caller."""
        nonce = os.urandom(_NONCE)
        body = dumps({**payload, "exp": int(time.time() + ttl)})
        sealed = self._aeads()[0].encrypt(nonce, body, _bound_to(purpose, principal))
        return base64.urlsafe_b64encode(nonce + sealed).rstrip(b"=").decode()

    def open(self, purpose: str, principal: Principal, token: str, longest: int = _LONGEST) -> dict[str, Any]:
        """The payload of a token of ``longest`` characters at most. Raises ``BadSeal``, ``Lapsed``."""
        if len(token) > longest:
            raise BadSeal("The token is longer than any of ours.")
        body = self._opened(token, _bound_to(purpose, principal))
        if body is None:
            raise BadSeal("The token was not made here, or not for this caller.")
        payload: dict[str, Any] = loads(body)
        if payload["exp"] < time.time():
            raise Lapsed("The token has lapsed.")
        return payload

    def _opened(self, token: str, bound: bytes) -> bytes | None:
        from cryptography.exceptions import InvalidTag

        try:
            raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
            for cipher in self._aeads():
                with suppress(InvalidTag):
                    return cipher.decrypt(raw[:_NONCE], raw[_NONCE:], bound)
        except (ValueError, binascii.Error):
            pass
        return None

    def _aeads(self) -> list[AESGCM]:
        if not self._ciphers:
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # at first use: not needed to start

            self._ciphers = [AESGCM(key) for key in self._keys]
        return self._ciphers


def _bound_to(purpose: str, principal: Principal) -> bytes:
    return dumps([purpose, principal.tenant, principal.subject])
