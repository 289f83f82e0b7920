"""Requests that are refused before any face reads them as its own: no JSON, too deep, too large, and without a key."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from .refusals import POSTS, RUN, helps, refused, unharmed
from .wire import Ask, a2a, agent_protocol, gate_told, told

if TYPE_CHECKING:
    from .conftest import Desk

MIB_10 = 10 * 1024 * 1024
UNREADABLE = {
    "100k_deep": b'{"agent_id": "refund", "input": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "100k_deep_unclosed": b'{"params": ' * 100_000,
    "300_deep": b'{"assistant_id": "refund", "input": ' + b'{"a": ' * 300 + b"1" + b"}" * 301,
    "cut_off": b'{"agent_id": "refund", "input": {"order_id": "A-',
    "no_number": b'{"agent_id": "refund", "input": {"order_id": "A-1", "amount": NaN}}',
    "no_utf8": b'{"agent_id": "refund", "input": "\xff\xfe"}',
    "no_json": b"agent_id=refund&input=x",
}


@pytest.mark.parametrize("body", UNREADABLE.values(), ids=UNREADABLE.keys())
@pytest.mark.parametrize("ask", POSTS, ids=str)
def test_what_is_no_json_or_too_deep_is_a_parse_error_that_tells_where(desk: Desk, ask: Ask, body: bytes) -> None:
    status, code = {
        "agent_protocol": (422, "malformed_body"),
        "langgraph": (422, None),
        "a2a": (200, (-32700, "INVALID_JSON")),
        "mcp": (400, -32700),
    }[ask.face]
    answer = refused(desk, ask.sending(body), status, code, ())
    message = told(ask.face, answer)[1]
    assert "line 1, column" in message or "200 levels" in message


@pytest.mark.parametrize("in_pieces", [False, True], ids=["of_known_length", "in_pieces"])
@pytest.mark.parametrize("ask", POSTS, ids=str)
def test_a_body_of_10_mib_is_refused_with_the_limit_and_where_it_is_set(desk: Desk, ask: Ask, in_pieces: bool) -> None:
    whole = b'{"padding": "' + b"x" * MIB_10 + b'"}'
    before = desk.kept()
    answer = desk.send(ask.sending(_pieces(whole) if in_pieces else whole), "ada")
    assert (answer.status_code, gate_told(ask.face, answer)[0]) == (
        413,
        "content_too_large" if ask.face in ("agent_protocol", "langgraph") else -32600,
    )
    helps(desk, gate_told(ask.face, answer)[1], ("4,194,304 bytes", "body_limit under [server] in dragoman.toml"))
    unharmed(desk, answer, before)


def _pieces(whole: bytes) -> Iterator[bytes]:
    for start in range(0, len(whole), 65_536):
        yield whole[start : start + 65_536]


UNKNOWN_KEY = "dg_0123456789ab_" + "A" * 43


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({}, "Authorization: Bearer dg_"),
        ({"Authorization": f"Bearer {UNKNOWN_KEY}"}, "unknown or revoked"),
        ({"X-API-Key": UNKNOWN_KEY}, "unknown or revoked"),
        ({"Authorization": "Bearer $eve_key"}, "unknown or revoked"),
        ({"Authorization": "Bearer $ada_key!"}, "unknown or revoked"),
        ({"Authorization": "Basic YWRhOmFkYQ=="}, "unknown or revoked"),
        ({"Authorization": "$ada_key"}, "unknown or revoked"),
    ],
    ids=["none", "unknown", "unknown_x_api_key", "revoked", "longer", "basic", "without_scheme"],
)
@pytest.mark.parametrize("ask", [*POSTS, agent_protocol(RUN), a2a("GetTask", {"id": "$waiting"})], ids=str)
def test_who_has_no_valid_key_is_challenged(desk: Desk, ask: Ask, headers: dict[str, str], said: str) -> None:
    before = desk.kept()
    answer = desk.send(ask, None, **headers)
    code = "unauthorized" if ask.face in ("agent_protocol", "langgraph") else -32600
    assert (answer.status_code, gate_told(ask.face, answer)[0]) == (401, code)
    assert answer.headers["WWW-Authenticate"].startswith('Bearer realm="dragoman"')
    helps(desk, gate_told(ask.face, answer)[1], (said, "API key"))
    unharmed(desk, answer, before)
