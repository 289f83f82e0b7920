"""Checks the signatures of a peer's card: a detached JWS over its canonical form (A2A 1.0, section 8.4).

Pure; ``client_cards`` has the card and the keys. Keys are those that the operator named: what a signature says of where
its key is (``jku``) is the signer's own word, and not followed.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, cast

from dragoman.a2a.jcs import canonical, without_empty
from dragoman.memory.codec import loads
from dragoman.memory.model import Json

__all__ = ["ALGORITHMS", "is_signed_by"]

ALGORITHMS: Final = ("EdDSA", "ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
_CURVES: Final = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}
_MOST: Final = 20  # signatures that are looked at


def is_signed_by(card: Mapping[str, Json], understood: Mapping[str, Json], keys: Sequence[Mapping[str, Json]]) -> bool:
    """Whether one of the card's signatures is by one of these JSON Web Keys.

    ``card`` is as it came, ``understood`` its fields of 1.0 as they are acted on: signers differ in which they sign,
    and whether empty values count (section 8.4.1).
    """
    signatures: Any = card.get("signatures")
    if not isinstance(signatures, list):
        return False
    forms = _forms(card, understood)
    return any(
        _holds(cast("Mapping[str, Any]", signature), forms, keys)
        for signature in signatures[:_MOST]  # pyright: ignore[reportUnknownVariableType]
        if isinstance(signature, dict)
    )


def _forms(card: Mapping[str, Json], understood: Mapping[str, Json]) -> list[str]:
    found: list[str] = []
    for told in (understood, card):
        bare: Json = {name: value for name, value in told.items() if name != "signatures"}
        for form in (without_empty(bare), bare):
            try:
                found.append(_b64(canonical(form)))
            except ValueError:
                continue
    return list(dict.fromkeys(found))


def _holds(signature: Mapping[str, Any], forms: Iterable[str], keys: Sequence[Mapping[str, Json]]) -> bool:
    protected, signed = str(signature.get("protected", "")), str(signature.get("signature", ""))
    try:
        header: Any = loads(_unb64(protected))
        raw = _unb64(signed)
    except ValueError:
        return False
    if not isinstance(header, dict):
        return False
    told = cast("dict[str, Any]", header)
    alg = told.get("alg")
    if alg not in ALGORITHMS or told.get("crit"):  # an extension that must be understood, and is not (RFC 7515, 4.1.11)
        return False
    kid = told.get("kid")
    fitting = [key for key in keys if kid is None or key.get("kid") in (None, kid)]
    return any(_verifies(key, alg, f"{protected}.{form}".encode(), raw) for key in fitting for form in forms)


def _verifies(key: Mapping[str, Json], alg: str, message: bytes, signature: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature

    if key.get("alg", alg) != alg or key.get("use", "sig") != "sig":
        return False
    try:
        if alg == "EdDSA":
            _check_edwards(key, message, signature)
        elif alg.startswith("ES"):
            _check_curve(key, alg, message, signature)
        else:
            _check_rsa(key, alg, message, signature)
    except (InvalidSignature, ValueError, KeyError, TypeError):
        return False
    return True


def _check_edwards(key: Mapping[str, Json], message: bytes, signature: bytes) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    if (key.get("kty"), key.get("crv")) != ("OKP", "Ed25519"):
        raise ValueError
    Ed25519PublicKey.from_public_bytes(_unb64(key["x"])).verify(signature, message)


def _check_curve(key: Mapping[str, Json], alg: str, message: bytes, signature: bytes) -> None:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

    curves: dict[str, Any] = {"P-256": ec.SECP256R1, "P-384": ec.SECP384R1, "P-521": ec.SECP521R1}
    if (key.get("kty"), key.get("crv")) != ("EC", _CURVES[alg]):
        raise ValueError
    size = len(signature) // 2
    r, s = int.from_bytes(signature[:size], "big"), int.from_bytes(signature[size:], "big")
    public = ec.EllipticCurvePublicNumbers(_int(key["x"]), _int(key["y"]), curves[key["crv"]]()).public_key()
    if len(signature) != 2 * ((public.key_size + 7) // 8):
        raise ValueError
    public.verify(encode_dss_signature(r, s), message, ec.ECDSA(_hash(hashes, alg)))


def _check_rsa(key: Mapping[str, Json], alg: str, message: bytes, signature: bytes) -> None:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding, rsa

    public = rsa.RSAPublicNumbers(_int(key["e"]), _int(key["n"])).public_key()
    if key.get("kty") != "RSA" or public.key_size < 2048:
        raise ValueError
    hashed = _hash(hashes, alg)
    if alg.startswith("PS"):
        public.verify(signature, message, padding.PSS(padding.MGF1(hashed), hashed.digest_size), hashed)
    else:
        public.verify(signature, message, padding.PKCS1v15(), hashed)


def _hash(hashes: Any, alg: str) -> Any:
    return getattr(hashes, f"SHA{alg[2:]}")()


def _int(text: str) -> int:
    return int.from_bytes(_unb64(text), "big")


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
