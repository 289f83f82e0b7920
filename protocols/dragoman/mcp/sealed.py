"""Sealed tokens: what a client carries for us and can neither read, change, nor use for another caller.

AES-256-GCM under one key that replicas share. The purpose and the caller are authenticated with it, so a token of one
kind or one principal opens nowhere else; each token says when it lapses. Used for ``requestState`` and for the
ids of streams that are gone on with.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dragoman.memory.codec import dumps, loads
from dragoman.memory.model import Json, Principal

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

__all__ = ["BadSeal", "Lapsed", "Sealer", "load_key"]

_NONCE = 12
_LONGEST = 4096


class BadSeal(Exception):
    """The token is not ours, was changed, or was given to another caller."""


class Lapsed(BadSeal):
    """The token is ours, and its time is over."""


class Sealer:
    """Seals small JSON objects into URL-safe text."""

    def __init__(self, key: bytes) -> None:
        self._key = hashlib.sha256(b"dragoman.mcp sealed token\x00" + key).digest()
        self._cipher: AESGCM | None = None

    def seal(self, purpose: str, principal: Principal, payload: Mapping[str, Json], ttl: float) -> str:
        """A token that ``open`` takes for ``ttl`` seconds, for the same purpose and caller."""
        nonce = os.urandom(_NONCE)
        body = dumps({**payload, "exp": int(time.time() + ttl)})
        sealed = self._aead().encrypt(nonce, body, _bound_to(purpose, principal))
        return base64.urlsafe_b64encode(nonce + sealed).rstrip(b"=").decode()

    def open(self, purpose: str, principal: Principal, token: str, longest: int = _LONGEST) -> dict[str, Any]:
        """The payload of a token of ``longest`` characters at most. Raises ``BadSeal``, ``Lapsed``."""
        from cryptography.exceptions import InvalidTag

        if len(token) > longest:
            raise BadSeal("The token is longer than any of ours.")
        try:
            raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
            body = self._aead().decrypt(raw[:_NONCE], raw[_NONCE:], _bound_to(purpose, principal))
        except (ValueError, binascii.Error, InvalidTag):
            raise BadSeal("The token was not made here, or not for this caller.") from None
        payload: dict[str, Any] = loads(body)
        if payload["exp"] < time.time():
            raise Lapsed("The token has lapsed.")
        return payload

    def _aead(self) -> AESGCM:
        if self._cipher is None:
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # at first use: not needed to start

            self._cipher = AESGCM(self._key)
        return self._cipher


def _bound_to(purpose: str, principal: Principal) -> bytes:
    return dumps([purpose, principal.tenant, principal.subject])


def load_key(path: Path) -> bytes:
    """The 32-byte key kept in a file, made on first use and readable by its owner alone.

    Safe when two processes start at once. Raises ``ValueError`` naming the file when it does not hold a key.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f"{path.name}.{os.getpid()}")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(os.urandom(32))
        try:
            os.link(draft, path)  # fails where another was first; never shows a half-written key
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    key = path.read_bytes()
    if len(key) != 32:
        raise ValueError(f"{path} should hold a key of 32 bytes and holds {len(key)}; remove it and a new one is made.")
    return key
