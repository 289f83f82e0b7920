"""HTTP to addresses that others chose: looked up once, judged, and dialled as judged.

Between a check of a name and its use the name may change its address (DNS rebinding). Here the connection goes to the
very address that was judged, while TLS and the Host header keep the name. No redirect is followed and no proxy of the
environment is used: either would dial for us what nobody judged. Knows no protocol; ``egress`` judges.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from functools import cache

import httpx

from dragoman.auth.egress import Egress

__all__ = ["PinnedTransport", "pinned_client", "prepare", "tls"]

_Origin = tuple[str, str, int | None]


@dataclass(slots=True)
class _Line:
    """The connections to one origin. Two names at one address never share a connection: it was opened for one."""

    inner: httpx.AsyncHTTPTransport
    address: str = field(default="")
    """The address that was judged and answered last; empty when it is to be looked up."""


class PinnedTransport(httpx.AsyncBaseTransport):
    """Raises ``EgressRefused`` and ``Unresolved`` beside httpx's own errors.

    ``connections`` bounds those to one origin. Made for one receiver each: it keeps what it knows of every origin that
    it is asked for until it is closed.
    """

    def __init__(self, egress: Egress, connections: int = 1) -> None:
        self._egress = egress
        self._limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
        self._lines: dict[_Origin, _Line] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send to the address that is known to work, or to the first that does."""
        url = request.url
        line = self._line((url.scheme, url.host, url.port))
        addresses = [line.address] if line.address else await self._egress.addresses(url)
        line.address = ""
        for n, address in enumerate(addresses, 1):
            try:
                response = await line.inner.handle_async_request(_to(request, url, address))
            except (httpx.ConnectError, httpx.ConnectTimeout):
                if n == len(addresses):
                    raise
                continue
            line.address = address
            return response
        raise httpx.ConnectError(f"{url.host} has no address")

    async def aclose(self) -> None:
        """Close the connections."""
        for line in self._lines.values():
            await line.inner.aclose()

    def _line(self, origin: _Origin) -> _Line:
        line = self._lines.get(origin)
        if line is None:
            inner = httpx.AsyncHTTPTransport(verify=tls(), limits=self._limits, trust_env=False)
            line = self._lines[origin] = _Line(inner)
        return line


def pinned_client(
    egress: Egress, *, connections: int = 1, timeout: httpx.Timeout | float | None = 15.0
) -> httpx.AsyncClient:
    """A client for one receiver. ``timeout`` in seconds, for each of connecting, writing and reading."""
    transport = PinnedTransport(egress, connections)
    return httpx.AsyncClient(transport=transport, trust_env=False, follow_redirects=False, timeout=timeout)


def prepare() -> None:
    """Load what the first request would wait for. Blocks."""
    tls()


def _to(request: httpx.Request, url: httpx.URL, address: str) -> httpx.Request:
    extensions = {**request.extensions, "sni_hostname": url.raw_host.decode("ascii")}
    headers = request.headers  # Host is there already, with the name
    return httpx.Request(
        request.method, url.copy_with(host=address), headers=headers, stream=request.stream, extensions=extensions
    )


@cache
def tls() -> ssl.SSLContext:
    """Loading the certificates takes longer than a whole request: once. SSL_CERT_FILE is the operator's word."""
    return httpx.create_ssl_context(trust_env=True)
