"""A gRPC channel to a peer, dialled at an address that was judged.

With TLS, unless the peer is on this machine or its card says ``http://``. Imported when a peer is called by gRPC, which
needs the extra ``grpc``.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import urlsplit

import grpc.aio
import httpx

from dragoman.auth.egress import Egress

__all__ = ["open_channel"]

_BIGGEST: Final = 67_108_864  # bytes of one message


async def open_channel(url: str, egress: Egress) -> grpc.aio.Channel:
    """A channel to ``host:port``, ``https://host:port`` or ``http://host:port``. Raises ``EgressRefused``,
    ``Unresolved``."""
    parts = urlsplit(url if "://" in url else f"//{url}")
    host = parts.hostname or ""
    plain = parts.scheme == "http" or (parts.scheme == "" and _is_here(host))
    port = parts.port or (80 if plain else 443)
    shown = f"[{host}]" if ":" in host else host
    addresses = await egress.addresses(httpx.URL(f"{'http' if plain else 'https'}://{shown}:{port}"))
    options: list[tuple[str, Any]] = [
        ("grpc.max_receive_message_length", _BIGGEST),
        ("grpc.default_authority", f"{shown}:{port}"),
        ("grpc.enable_http_proxy", 0),
    ]
    target = _target(addresses, port)
    if plain:
        return grpc.aio.insecure_channel(target, options=options)
    options.append(("grpc.ssl_target_name_override", host))
    return grpc.aio.secure_channel(target, grpc.ssl_channel_credentials(), options=options)


def _target(addresses: list[str], port: int) -> str:
    """All addresses of the family of the first one: gRPC tries them in turn."""
    first = ip_address(addresses[0])
    fitting = [a for a in addresses if ip_address(a).version == first.version]
    if first.version == 6:
        return "ipv6:" + ",".join(f"[{a}]:{port}" for a in fitting)
    return "ipv4:" + ",".join(f"{a}:{port}" for a in fitting)


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
