"""What is believed of a proxy, and of whom."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.auth import Forwarded, HostGate
from dragoman.auth.asgi import Message, Receive, Scope, Send
from dragoman.settings import Settings

pytestmark = pytest.mark.anyio

Pairs = list[tuple[str, str]]


class Seen:
    """An application that notes what it was asked."""

    scope: Scope

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})


async def _told(headers: Pairs, trusted: tuple[str, ...] = ("10.0.0.0/8",), peer: str = "10.0.0.1") -> Any:
    """The client, scheme and Host that the application sees; the error's message where there is one."""
    seen = Seen()
    transport = httpx.ASGITransport(Forwarded(seen, trusted), client=(peer, 123))
    async with httpx.AsyncClient(transport=transport, base_url="http://inside:8000") as client:
        answer = await client.get("/", headers=headers)
    if answer.status_code != 200:
        assert answer.status_code == 400
        return answer.json()["message"]
    hosts = [value.decode() for name, value in seen.scope["headers"] if name == b"host"]
    assert len(hosts) == 1
    return seen.scope["client"][0], seen.scope["scheme"], hosts[0]


NOTHING = ("http", "inside:8000")
X: Pairs = [
    ("X-Forwarded-For", "192.0.2.7"),
    ("X-Forwarded-Proto", "https"),
    ("X-Forwarded-Host", "Agents.Example:8443"),
]
STANDARD: Pairs = [("Forwarded", 'for=192.0.2.7;proto=https;host="agents.example:8443"')]


@pytest.mark.parametrize("headers", [X, STANDARD, X + STANDARD])
async def test_a_trusted_proxy_says_who_asked_and_how(headers: Pairs) -> None:
    for trusted, peer in [
        (("10.0.0.0/8",), "10.9.9.9"),
        (("192.0.2.1", "10.0.0.1"), "10.0.0.1"),
        (("10.0.0.0/8",), "::ffff:10.0.0.1"),
        (("fd00::/8",), "fd00::1"),
    ]:
        assert await _told(headers, trusted, peer) == ("192.0.2.7", "https", "agents.example:8443")


@pytest.mark.parametrize("headers", [X, STANDARD, [("Forwarded", '"')]])
async def test_anyone_else_is_not_believed(headers: Pairs) -> None:
    for trusted, peer in [(("10.0.0.0/8",), "11.0.0.1"), (("10.0.0.1",), "10.0.0.2"), (("10.0.0.0/8",), "testclient")]:
        assert await _told(headers, trusted, peer) == (peer, *NOTHING)


async def test_of_several_hops_the_nearest_and_of_clients_the_last_that_is_no_proxy_count() -> None:
    several: Pairs = [
        ("X-Forwarded-For", "1.2.3.4, 192.0.2.7"),
        ("X-Forwarded-For", "10.0.0.5"),
        ("X-Forwarded-Proto", "http, https"),
        ("X-Forwarded-Host", "evil.example, agents.example"),
    ]
    assert await _told(several) == ("192.0.2.7", "https", "agents.example")
    standard: Pairs = [("Forwarded", 'For="1.2.3.4:5", for="[2001:db8::1]:80";host=evil.example')]
    standard += [("Forwarded", "for=10.0.0.5;Proto=HTTPS;host=agents.example")]
    assert await _told(standard) == ("2001:db8::1", "https", "agents.example")
    assert await _told([("X-Forwarded-For", "10.0.0.4, 10.0.0.5")]) == ("10.0.0.4", *NOTHING)
    assert await _told([("Forwarded", "for=_hidden")]) == ("_hidden", *NOTHING)
    assert await _told(X, ("*",), "whatever") == ("192.0.2.7", "https", "agents.example:8443")


@pytest.mark.parametrize(
    ("headers", "name"),
    [
        ([*X, ("Forwarded", "host=evil.example")], "Host"),
        ([*X, ("Forwarded", "proto=http")], "Proto"),
        ([*X, ("Forwarded", "for=1.2.3.4")], "For"),
        ([("Forwarded", "host=evil.example"), ("X-Forwarded-Host", "agents.example")], "Host"),
        ([("X-Forwarded-Host", "evil.example/path")], "host"),
        ([("X-Forwarded-Host", "")], "host"),
        ([("X-Forwarded-Proto", "javascript")], "scheme"),
        ([("Forwarded", 'for="1.2.3.4')], "RFC 7239"),
        ([("Forwarded", "nonsense")], "RFC 7239"),
    ],
)
async def test_nonsense_and_contradictions_are_refused(headers: Pairs, name: str) -> None:
    message = await _told(headers)
    assert isinstance(message, str)
    assert name in message


async def test_a_web_page_gets_past_the_host_check_by_no_header() -> None:
    """A page that calls this machine by a name of its own (DNS rebinding) may send any header."""
    seen = Seen()
    transport = httpx.ASGITransport(Forwarded(HostGate(seen), ("10.0.0.1",)), client=("127.0.0.1", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://evil.example") as client:
        for headers in ([("X-Forwarded-Host", "localhost")], [("Forwarded", "host=localhost")]):
            assert (await client.get("/", headers=headers)).status_code == 400


@given(st.binary(max_size=60).filter(lambda value: not {10, 13} & set(value)))
async def test_whatever_it_says_it_is_read_or_refused(value: bytes) -> None:
    statuses: list[int] = []

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    for name in (b"forwarded", b"x-forwarded-host", b"x-forwarded-for", b"x-forwarded-proto"):
        scope = {"type": "http", "path": "/", "client": ("10.0.0.1", 1), "scheme": "http", "headers": [(name, value)]}
        await Forwarded(Seen(), ("*",))(scope, receive, send)
    assert len(statuses) == 4
    assert set(statuses) <= {200, 400}


@pytest.mark.parametrize("name", ["nginx", "10.0.0.0/33", "", "10.0.0.1:80"])
def test_what_is_no_address_cannot_be_trusted(name: str) -> None:
    with pytest.raises(ValueError, match="no IP address"):
        Settings.model_validate({"server": {"trusted_proxies": [name]}})


def test_nobody_is_trusted_unless_told() -> None:
    assert Settings().server.trusted_proxies == ()
    told = Settings.model_validate({"server": {"trusted_proxies": "127.0.0.1, 10.0.0.0/8"}})
    assert told.server.trusted_proxies == ("127.0.0.1", "10.0.0.0/8")
