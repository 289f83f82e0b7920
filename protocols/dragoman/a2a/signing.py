"""Signs cards: a detached JWS over the canonical card (A2A 1.0, section 8.4), and the key set to check it with.

Not a verifier (``verifying`` is, for the cards of peers). Nothing here is on the way of a call: a card is signed when
it is made, and again when the key file has changed.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from dragoman.a2a import keyfile
from dragoman.a2a.jcs import canonical, without_empty
from dragoman.a2a.keyfile import Key
from dragoman.memory.codec import dumps
from dragoman.memory.model import Json

__all__ = ["JWKS_PATH", "CardSigner", "payloads"]

JWKS_PATH: Final = "/.well-known/jwks.json"

_LOOK_AGAIN: Final = 1.0  # seconds that the key file is not looked at again


class CardSigner:
    """Signs with the newest key of a file, and follows what happens to the file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._keys: tuple[Key, ...] = ()
        self._seen: tuple[int, int] | None = None
        self._looked = 0.0

    @property
    def version(self) -> str:
        """Which key signs: cards signed with another are to be made anew."""
        return self._current()[0].kid

    def key_set(self) -> dict[str, Json]:
        """The public keys, as a JSON Web Key Set: those whose signatures are to be believed now."""
        now = time.time()
        return {"keys": [keyfile.public_half(key) for key in self._current() if key.valid_at(now)]}

    def sign(self, modern: Mapping[str, Json], whole: Mapping[str, Json], jku: str) -> list[Json]:
        """The signatures of a card. ``modern`` are its fields of 1.0, ``whole`` is all that is sent; ``jku`` is where
        the key set is. Raises ``ValueError`` for a card that has no canonical form."""
        key = self._current()[0]
        header = {"alg": key.alg, "kid": key.kid, "typ": "JOSE", "jku": jku}
        protected = _b64(dumps(header))
        return [
            {"protected": protected, "signature": _b64(_signed(key, protected, payload))}
            for payload in payloads(modern, whole)
        ]

    def token(self, claims: Mapping[str, Json], base_url: str = "") -> str:
        """A JSON Web Token of these claims (RFC 7519), signed with the key that signs cards; it names the key set below
        ``base_url`` where there is one."""
        key = self._current()[0]
        header = {"alg": key.alg, "kid": key.kid, "typ": "JWT"}
        if base_url:
            header["jku"] = base_url + JWKS_PATH
        protected, payload = _b64(dumps(header)), dumps(dict(claims))
        return f"{protected}.{_b64(payload)}.{_b64(_signed(key, protected, payload))}"

    def _current(self) -> tuple[Key, ...]:
        now = time.monotonic()
        if self._keys and now - self._looked < _LOOK_AGAIN:
            return self._keys
        self._looked = now
        seen = _state_of(self._path)
        if not self._keys or seen != self._seen:
            self._keys = keyfile.load(self._path)
            self._seen = _state_of(self._path)
        return self._keys


def payloads(modern: Mapping[str, Json], whole: Mapping[str, Json]) -> list[bytes]:
    """What is signed: the fields of 1.0 without empty ones, as SDKs read the card, and the card as it is sent, for who
    takes it as plain JSON. One valid signature is enough (section 8.4.3)."""
    found = [canonical(without_empty(_unsigned(modern))), canonical(_unsigned(whole))]
    return list(dict.fromkeys(found))


def _unsigned(card: Mapping[str, Json]) -> dict[str, Json]:
    return {name: value for name, value in card.items() if name != "signatures"}


def _signed(key: Key, protected: str, payload: bytes) -> bytes:
    message = f"{protected}.{_b64(payload)}".encode()
    d = _unb64(str(key.jwk["d"]))
    if key.alg == "EdDSA":
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return Ed25519PrivateKey.from_private_bytes(d).sign(message)
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
    from cryptography.hazmat.primitives.hashes import SHA256

    private = ec.derive_private_key(int.from_bytes(d, "big"), ec.SECP256R1())
    # Deterministic (RFC 6979), so that every replica and every restart serves the same card under the same tag.
    r, s = decode_dss_signature(private.sign(message, ec.ECDSA(SHA256(), deterministic_signing=True)))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def _state_of(path: Path) -> tuple[int, int] | None:
    try:
        told = path.stat()
    except FileNotFoundError:
        return None
    return told.st_mtime_ns, told.st_ino


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
