"""Where this server may call: the public Internet, and what its operator allows beside it.

An address comes from a caller, so that without a guard anyone could make the server call what only it can reach: its
own machine, its network, the metadata of its cloud. A URL is vetted when it is registered, for a clear error; what
counts is the check of the addresses that are dialled (``dialling``), since a name may lead elsewhere by then. Knows no
protocol and sends nothing.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, Final

from dragoman.memory.errors import DragomanError

if TYPE_CHECKING:
    import httpx

__all__ = [
    "DEFAULT_PORTS",
    "Egress",
    "EgressRefused",
    "Resolver",
    "Unresolved",
    "is_public",
    "parse_allowed",
    "resolve",
]

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Resolver = Callable[[str, int], Awaitable[Sequence[str]]]
"""Gives the addresses of a host and port. Raises ``OSError``."""

DEFAULT_PORTS: Final = (80, 443, 8080, 8443)
_PLAIN: Final = "must begin with https:// (the operator may allow a host without TLS, under [egress])"
_VETTING: Final = 2.0  # seconds for the look-up of a name at registration
_MOST: Final = 2048  # characters of a URL
_NAT64: Final = (ip_network("64:ff9b::/96"), ip_network("64:ff9b:1::/48"))
# Not public, though not every Python's table says so; the last is Azure's platform, which answers inside it alone.
_INSIDE: Final = tuple(
    map(ip_network, ("192.0.0.0/24", "192.88.99.0/24", "3fff::/20", "fec0::/10", "168.63.129.16/32"))
)
_NAME: Final = re.compile(r"(\*\.)?[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*")


class EgressRefused(DragomanError):
    """This server does not call that address."""


class Unresolved(DragomanError):
    """The name has no address."""


@dataclass(frozen=True, slots=True)
class _Allowed:
    networks: tuple[Network, ...]
    names: frozenset[str]
    domains: tuple[str, ...]

    def has_name(self, host: str) -> bool:
        return host in self.names or host.endswith(self.domains)

    def has_address(self, address: Address) -> bool:
        return any(address in network for network in self.networks)


class Egress:
    """Judges URLs and addresses.

    ``allow`` are addresses, networks, names and ``*.domains`` that may be called whatever they are, at any port, and
    without TLS; ``ports`` are those of all others, empty for any.
    """

    def __init__(
        self, allow: Iterable[str] = (), ports: Iterable[int] = DEFAULT_PORTS, resolver: Resolver | None = None
    ) -> None:
        self._allowed = parse_allowed(allow)
        self._ports = frozenset(ports)
        self._resolve = resolver or resolve

    async def vet(self, url: str) -> None:
        """Raise ``EgressRefused`` for a URL that would not be called as things are.

        A name that cannot be looked up now passes: it is judged again each time that it is dialled.
        """
        import httpx

        if len(url) > _MOST or any(ord(char) <= 32 or ord(char) == 127 for char in url):
            raise EgressRefused(f"must be a URL of at most {_MOST} characters, without blanks")
        try:
            parsed = httpx.URL(url)
        except (httpx.InvalidURL, ValueError):
            raise EgressRefused("is not a URL, as https://hooks.example/path") from None
        try:
            async with asyncio.timeout(_VETTING):
                await self.addresses(parsed)
        except (TimeoutError, Unresolved):
            if parsed.scheme != "https" and not self._allowed.networks and not self._allowed.has_name(parsed.host):
                raise EgressRefused(_PLAIN) from None  # wherever it will lead

    async def addresses(self, url: httpx.URL) -> list[str]:
        """The addresses to dial for a URL, each of them judged. Raises ``EgressRefused``, ``Unresolved``."""
        host, port = self._target(url)
        try:
            found = [ip_address(host)]
        except ValueError:
            try:
                found = [ip_address(each) for each in await self._resolve(host, port)]
            except OSError as error:
                raise Unresolved(f"{host} cannot be looked up: {error.strerror or type(error).__name__}") from None
        if not found:
            raise Unresolved(f"{host} has no address")
        if not self._allowed.has_name(host):
            for address in found:  # one that is refused condemns them all: which is dialled would be chance
                self._judge(url, host, port, address)
        return [str(address) for address in found]

    def _target(self, url: httpx.URL) -> tuple[str, int]:
        if url.scheme not in ("http", "https"):
            raise EgressRefused("must begin with https://")
        if url.userinfo:
            raise EgressRefused("must not hold a user name or password; credentials have fields of their own")
        host = url.raw_host.decode("ascii").lower().strip("[]").rstrip(".")
        if not host:
            raise EgressRefused("must name a host, as https://hooks.example/path")
        port = url.port if url.port is not None else 443 if url.scheme == "https" else 80
        if not 0 < port < 65536:
            raise EgressRefused(f"has port {port}; ports are 1 to 65535")
        return host, port

    def _judge(self, url: httpx.URL, host: str, port: int, address: Address) -> None:
        if self._allowed.has_address(address) or self._allowed.has_address(_inner(address)):
            return
        if not is_public(address):
            # Which address it is would tell a stranger what names mean inside.
            raise EgressRefused(
                f"leads to an address that is not public ({host}), which this server does not call unless its operator "
                "allows it under [egress] allow"
            )
        if url.scheme != "https":
            raise EgressRefused(_PLAIN)
        if self._ports and port not in self._ports:
            ports = ", ".join(map(str, sorted(self._ports)))
            raise EgressRefused(f"has port {port}; this server calls {ports} ([egress] ports)")


async def resolve(host: str, port: int) -> Sequence[str]:
    """The system's answer. Numbers in odd spellings (``127.1``, ``0x7f000001``) come out as the addresses they are."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(info[4][0]) for info in found))


def parse_allowed(allow: Iterable[str]) -> _Allowed:
    """Sort entries into networks and names. Raises ``ValueError`` naming one that is neither."""
    networks: list[Network] = []
    names: set[str] = set()
    for entry in allow:
        try:
            networks.append(ip_network(entry.strip("[]"), strict=False))
        except ValueError:
            name = entry.lower().rstrip(".")
            if not _NAME.fullmatch(name):
                raise ValueError(
                    f"{entry!r} is no address, no network as 10.0.0.0/8, and no name as hooks.internal or *.internal"
                ) from None
            names.add(name)
    domains = tuple(name[1:] for name in names if name.startswith("*."))
    return _Allowed(tuple(networks), frozenset(names), domains)


def _inner(address: Address) -> Address:
    """The IPv4 address that an IPv6 one stands for (mapped, 6to4, NAT64); else the address itself."""
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address in _NAT64[0]:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def is_public(address: Address) -> bool:
    """Whether an address is one of the public Internet, also for what an IPv6 address stands for."""
    if isinstance(address, IPv6Address) and (address in _NAT64[1] or address.teredo is not None):
        return False
    if (inner := _inner(address)) != address:
        return is_public(inner)
    return (
        address.is_global
        and not address.is_multicast
        and not address.is_reserved
        and not address.is_unspecified
        and not any(address in network for network in _INSIDE)
    )
