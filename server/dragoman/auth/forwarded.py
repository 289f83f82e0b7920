"""What a trusted proxy says of a request: who asked, by which name, and how (``X-Forwarded-*``, RFC 7239).

Not the judge of names, which are looked at next (``hosts``). Anyone can send these headers, a web page too, so that
they are read from ``trusted`` peers alone.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import lru_cache

from dragoman.auth.asgi import ASGIApp, Headers, Receive, Scope, Send, refuse

__all__ = ["Forwarded"]

_PLAIN = {b"x-forwarded-for": "for", b"x-forwarded-host": "host", b"x-forwarded-proto": "proto"}
_HOST = re.compile(r"([a-z0-9_.-]+|\[[0-9a-f:.]+\])(:\d{1,5})?")
_PROTO = re.compile("https?")
# RFC 7239 section 4: pairs of a token and a token or quoted text, parted by semicolons, and hops by commas.
_PAIR = re.compile(r'\s*([!#$%&\'*+.^_`|~0-9A-Za-z-]+)=("(?:[^"\\]|\\.)*"|[^\s;,"]*)\s*([;,]|$)')


class _Nonsense(ValueError):
    """What a proxy says cannot be read, or contradicts itself."""


class Forwarded:
    """Puts what ``trusted`` peers say into the scope's client, scheme and Host; answers 400 where it makes no sense.

    ``trusted`` are IP addresses, networks (``10.0.0.0/8``) and ``*`` for any. Of a name and a scheme the last counts,
    which is the nearest proxy's; the client is the last address that is no trusted one's.
    """

    def __init__(self, app: ASGIApp, trusted: Collection[str]) -> None:
        self.app = app
        self._trusts = lru_cache(1024)(_judge(trusted))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan" and (peer := scope.get("client")) and self._trusts(peer[0]):
            try:
                scope = self._believing(scope)
            except _Nonsense as error:
                await refuse(scope, send, 400, "bad_forwarded", str(error))
                return
        await self.app(scope, receive, send)

    def _believing(self, scope: Scope) -> Scope:
        said = _said(scope["headers"])
        if not said:
            return scope
        told = dict(scope)
        if hops := said.get("for"):
            told["client"] = next((hop for hop in reversed(hops) if not self._trusts(hop)), hops[0]), 0
        if protos := said.get("proto"):
            told["scheme"] = _shaped(_PROTO, "scheme", protos[-1])
        if hosts := said.get("host"):
            host = _shaped(_HOST, "host", hosts[-1])
            told["headers"] = [(b"host", host.encode()), *(pair for pair in scope["headers"] if pair[0] != b"host")]
        return told


def _said(headers: Headers) -> Mapping[str, list[str]]:
    """The clients, hosts and schemes of all hops, the nearest proxy's last.

    Raises ``_Nonsense`` where both kinds of header are there and differ: a proxy that sets one of them hands on what a
    client sent as the other.
    """
    plain: dict[str, list[str]] = {}
    standard: dict[str, list[str]] = {}
    for key, value in headers:
        if (name := _PLAIN.get(key)) is not None:
            plain.setdefault(name, []).extend(hop.strip() for hop in value.decode("latin-1").lower().split(","))
        elif key == b"forwarded":
            for name, hop in _pairs(value.decode("latin-1").lower()):
                standard.setdefault(name, []).append(hop)
    for said in (plain, standard):
        if "for" in said:
            said["for"] = [_address(node) for node in said["for"]]
    for name in plain.keys() & standard.keys():
        if plain[name][-1] != standard[name][-1]:
            raise _Nonsense(f"X-Forwarded-{name.title()} and Forwarded differ; have the proxy set or drop them both.")
    return {**standard, **plain}


def _pairs(value: str) -> Iterator[tuple[str, str]]:
    at = 0
    while at < len(value):
        found = _PAIR.match(value, at)
        if found is None:
            raise _Nonsense("The header Forwarded cannot be read; see RFC 7239 section 4.")
        text = found[2]
        yield found[1], re.sub(r"\\(.)", r"\1", text[1:-1]) if text.startswith('"') else text
        at = found.end()


def _address(node: str) -> str:
    """The IP address of a node, without its port (RFC 7239 section 6); a hidden one as it is."""
    found = re.fullmatch(r"\[([^\]]*)\](:.*)?|([^:]*)(:[^:]*)?", node)
    return node if found is None else found[1] or found[3] or ""


def _shaped(shape: re.Pattern[str], name: str, value: str) -> str:
    if shape.fullmatch(value) is None:
        raise _Nonsense(f"What the proxy forwards as the {name} is none.")
    return value


def _judge(trusted: Collection[str]) -> Callable[[str], bool]:
    """Whether an address is one of these, or in one of these networks."""
    anyone = "*" in trusted
    networks = [ipaddress.ip_network(name, strict=False) for name in trusted if name != "*"]

    def trusts(address: str) -> bool:
        try:
            found = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return anyone
        plain = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped else found
        return anyone or any(plain in network for network in networks)

    return trusts
