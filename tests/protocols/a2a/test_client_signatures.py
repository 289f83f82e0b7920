"""Cards that others signed, checked here: the SDK's signer with every algorithm, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from a2a.client.card_resolver import parse_agent_card
from a2a.utils.signing import create_agent_card_signer
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from google.protobuf.json_format import MessageToDict
from jwt import PyJWK
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from dragoman.a2a.client_signatures import is_signed_by

CARD: dict[str, Any] = {
    "name": "Zählt 🎉",
    "description": "",
    "version": "1",
    "supportedInterfaces": [{"url": "https://x.example", "protocolBinding": "JSONRPC", "protocolVersion": "1.0"}],
    "capabilities": {"streaming": True, "pushNotifications": False},
    "defaultInputModes": ["text/plain"],
    "defaultOutputModes": ["text/plain"],
    "skills": [{"id": "a", "name": "a", "description": "a", "tags": []}],
}
CURVES = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}


def _made(alg: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """A private and a public key for an algorithm, as JSON Web Keys."""
    if alg == "EdDSA":
        okp = ed25519.Ed25519PrivateKey.generate()
        pair = OKPAlgorithm.to_jwk(okp, as_dict=True), OKPAlgorithm.to_jwk(okp.public_key(), as_dict=True)
    elif alg in CURVES:
        curve = ec.generate_private_key(CURVES[alg])
        pair = ECAlgorithm.to_jwk(curve, as_dict=True), ECAlgorithm.to_jwk(curve.public_key(), as_dict=True)
    else:
        key = rsa.generate_private_key(65537, 2048)
        pair = RSAAlgorithm.to_jwk(key, as_dict=True), RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    private, public = pair
    known = {"kid": "k1", "alg": alg}
    return {**private, **known}, {n: v for n, v in public.items() if n != "key_ops"} | known


def _signed(alg: str, private: dict[str, Any]) -> dict[str, Any]:
    sign = create_agent_card_signer(PyJWK(private), {"kid": "k1", "alg": alg, "jku": None, "typ": "JOSE"})
    signed: Any = MessageToDict(sign(parse_agent_card(json.loads(json.dumps(CARD)))))
    return {**CARD, "signatures": signed["signatures"]}


def _holds(card: dict[str, Any], *keys: dict[str, Any]) -> bool:
    understood: Any = MessageToDict(parse_agent_card(json.loads(json.dumps(card))))
    return is_signed_by(card, understood, keys)


@pytest.mark.parametrize("alg", ["EdDSA", "ES256", "ES384", "ES512", "RS256", "RS512", "PS256", "PS384"])
def test_a_card_that_the_sdk_signed_holds_by_its_key_alone(alg: str) -> None:
    private, public = _made(alg)
    _, other = _made(alg)
    card = _signed(alg, private)
    assert _holds(card, public)
    assert _holds(card, other, public)
    assert not _holds(card, other)
    assert not _holds(card)
    assert not _holds({**card, "name": "Zählt"}, public)
    assert not _holds({**card, "supportedInterfaces": []}, public)


def test_a_key_is_used_for_its_own_algorithm_and_purpose_alone() -> None:
    private, public = _made("ES256")
    card = _signed("ES256", private)
    assert not _holds(card, {**public, "alg": "ES384"})
    assert not _holds(card, {**public, "use": "enc"})
    assert not _holds(card, {**public, "kid": "k2"})
    assert _holds(card, {n: v for n, v in public.items() if n not in ("alg", "kid")})


@pytest.mark.parametrize(
    "signatures",
    [
        None,
        [],
        "x",
        [1],
        [{}],
        [{"protected": "e30", "signature": ""}],
        [{"protected": "eyJhbGciOiJub25lIn0", "signature": ""}],  # {"alg":"none"}
        [{"protected": "eyJhbGciOiJIUzI1NiJ9", "signature": "AAAA"}],  # {"alg":"HS256"}
        [{"protected": "!", "signature": "é"}],
        [{"protected": "eyJhbGciOiJFUzI1NiJ9", "signature": "AAAA"}],  # {"alg":"ES256"}
        [{"protected": "W10", "signature": "AAAA"}],  # []
    ],
)
def test_what_is_no_signature_signs_nothing(signatures: Any) -> None:
    assert not is_signed_by({**CARD, "signatures": signatures}, CARD, [_made("ES256")[1]])


def test_a_signature_with_a_critical_extension_is_not_believed() -> None:
    """RFC 7515, section 4.1.11: who does not understand an extension that is critical must refuse."""
    import base64

    private, public = _made("ES256")
    card = _signed("ES256", private)
    (signature,) = card["signatures"]
    header = json.loads(base64.urlsafe_b64decode(signature["protected"] + "=="))
    told = base64.urlsafe_b64encode(json.dumps({**header, "crit": ["exp"]}).encode()).rstrip(b"=").decode()
    assert not _holds({**card, "signatures": [{**signature, "protected": told}]}, public)
