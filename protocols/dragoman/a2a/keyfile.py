"""The keys that cards are signed with: a JSON Web Key Set in one file, the newest key first.

Made on first use, readable by its owner alone. ``signing`` signs with them; the commands edit the file while a server
runs. A key that was replaced keeps its public half in the file until it lapses, so that cards which are still about can
be checked.
"""

from __future__ import annotations

import base64
import json
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from dragoman.memory.codec import dumps, loads
from dragoman.memory.model import Json

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    PrivateKey = EllipticCurvePrivateKey | Ed25519PrivateKey

__all__ = ["KEEP", "Key", "load", "public_half", "retire", "rotate", "thumbprint"]

KEEP: Final = 30 * 24 * 3600
"""Seconds that a replaced key stays in the key set, unless told otherwise."""

_PRIVATE: Final = ("d", "created", "lapses")
_CURVES: Final[Mapping[str, tuple[str, str]]] = {"P-256": ("EC", "ES256"), "Ed25519": ("OKP", "EdDSA")}


@dataclass(frozen=True, slots=True)
class Key:
    """One key as a JSON Web Key (RFC 7517). ``created`` and ``lapses`` are seconds since the epoch."""

    jwk: Mapping[str, Json]

    @property
    def kid(self) -> str:
        """Its id, which signatures name."""
        return str(self.jwk["kid"])

    @property
    def alg(self) -> str:
        """The algorithm that it signs with."""
        return str(self.jwk["alg"])

    @property
    def created(self) -> int:
        """When it was made; 0 when that is not known."""
        return int(self.jwk.get("created", 0))

    @property
    def lapses(self) -> int | None:
        """When it leaves the key set; None for the one that signs."""
        return self.jwk.get("lapses")

    @property
    def signs(self) -> bool:
        """Whether it has its private half."""
        return "d" in self.jwk

    def valid_at(self, now: float) -> bool:
        """Whether signatures made with it are still to be believed."""
        return self.lapses is None or self.lapses > now


def load(path: Path) -> tuple[Key, ...]:
    """The keys in the file, which is made with one where there is none. Raises ``ValueError`` naming the file.

    A file with a single private key will do too: a JSON Web Key, or a PEM (PKCS 8).
    """
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write(path, [_made()], replace=False)
    try:
        return _read(path.read_bytes())
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} holds no keys that cards can be signed with: {error}") from None


def rotate(path: Path, keep: float = KEEP, algorithm: str = "ES256") -> Key:
    """Put a new key in front; the one before it can be checked against for ``keep`` seconds more, and signs no more.
    Those that have lapsed are removed. Raises ``ValueError``."""
    now = int(time.time())
    made = _made(algorithm)
    kept = [_public(key.jwk) | _dates(key, key.lapses or now + int(keep)) for key in load(path) if key.valid_at(now)]
    _write(path, [made, *kept], replace=True)
    return Key(made)


def retire(path: Path, kid: str) -> bool:
    """Take a replaced key out of the set at once; whether it was there. Raises ``ValueError`` for the one that
    signs."""
    keys = load(path)
    if keys[0].kid == kid:
        raise ValueError(f"{kid} is the key that signs: rotate first, then retire it.")
    kept = [key for key in keys if key.kid != kid]
    if len(kept) == len(keys):
        return False
    _write(path, [key.jwk for key in kept], replace=True)
    return True


def public_half(key: Key) -> dict[str, Json]:
    """The key as others get it."""
    return _public(key.jwk)


def thumbprint(jwk: Mapping[str, Json]) -> str:
    """The key's own id (RFC 7638): a hash of its public half."""
    import hashlib

    members = {name: jwk[name] for name in ("crv", "kty", "x", "y") if name in jwk}
    digest = hashlib.sha256(json.dumps(members, sort_keys=True, separators=(",", ":")).encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _public(jwk: Mapping[str, Json]) -> dict[str, Json]:
    return {name: value for name, value in jwk.items() if name not in _PRIVATE}


def _dates(key: Key, lapses: int) -> dict[str, Json]:
    return {"created": key.created, "lapses": lapses}


def _made(algorithm: str = "ES256") -> dict[str, Json]:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519  # 25 ms, paid by who signs

    private = ed25519.Ed25519PrivateKey.generate() if algorithm == "EdDSA" else ec.generate_private_key(ec.SECP256R1())
    return {**jwk_of(private), "created": int(time.time())}


def jwk_of(private: PrivateKey) -> dict[str, Json]:
    """A private key as a JSON Web Key (RFC 7518, section 6.2; RFC 8037)."""
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

    jwk: dict[str, Json]
    if isinstance(private, EllipticCurvePrivateKey):
        numbers = private.private_numbers()
        x, y = numbers.public_numbers.x, numbers.public_numbers.y
        jwk = {"kty": "EC", "crv": "P-256", "alg": "ES256", "x": _number(x), "y": _number(y)}
        jwk["d"] = _number(numbers.private_value)
    else:
        jwk = {"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "x": _b64(private.public_key().public_bytes_raw())}
        jwk["d"] = _b64(private.private_bytes_raw())
    return {"kid": thumbprint(jwk), "use": "sig", **jwk}


def _read(raw: bytes) -> tuple[Key, ...]:
    if raw.lstrip().startswith(b"-----BEGIN"):
        return (Key(_of_pem(raw)),)
    found: Any = loads(raw)
    listed: Sequence[Any] = found.get("keys", [found])
    keys = tuple(Key(_checked(jwk)) for jwk in listed)
    if not keys or not keys[0].signs:
        raise ValueError("its first key has no private half")
    return keys


def _checked(jwk: dict[str, Json]) -> dict[str, Json]:
    kind, alg = _CURVES.get(str(jwk.get("crv")), ("", ""))
    if jwk.get("kty") != kind or jwk.get("alg", alg) != alg:
        raise ValueError("a key must be of P-256 (ES256) or Ed25519 (EdDSA)")
    return {"kid": thumbprint(jwk), "use": "sig", "alg": alg, **jwk}


def _of_pem(raw: bytes) -> dict[str, Json]:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    private = load_pem_private_key(raw, password=None)
    if isinstance(private, ed25519.Ed25519PrivateKey) or (
        isinstance(private, ec.EllipticCurvePrivateKey) and isinstance(private.curve, ec.SECP256R1)
    ):
        return jwk_of(private)
    raise ValueError("a key must be of P-256 (ES256) or Ed25519 (EdDSA)")


def _write(path: Path, keys: Sequence[Mapping[str, Json]], *, replace: bool) -> None:
    """Whole or not at all; with ``replace`` off the first of two processes wins."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(dumps({"keys": [dict(key) for key in keys]}))
    if replace:
        draft.replace(path)
        return
    with suppress(FileExistsError):
        os.link(draft, path)
    draft.unlink()


def _number(value: int) -> str:
    return _b64(value.to_bytes(32, "big"))


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
