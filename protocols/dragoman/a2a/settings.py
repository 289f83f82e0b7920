"""How the A2A face behaves: values alone, read from no file and no environment; the app composes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit

from dragoman.memory.model import Json

__all__ = ["API_KEY_SCHEMES", "A2aSettings"]

Busy = Literal["reject", "enqueue", "interrupt", "rollback"]

API_KEY_SCHEMES: Final[Mapping[str, Mapping[str, Json]]] = {
    "bearer": {"httpAuthSecurityScheme": {"scheme": "bearer", "description": "An API key of this server."}},
    "apiKey": {"apiKeySecurityScheme": {"location": "header", "name": "X-API-Key", "description": "The same key."}},
}
"""What cards say of a server that asks for API keys: any one of these will do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class A2aSettings:
    """Settings of the face. Times are seconds.

    ``public_url`` is the address that others reach the server by; empty takes it from each request (scheme and Host).
    ``default_agent`` is the one whose card stands at the host root; None is the first. ``provider`` is the organization
    that cards name, ``provider_url`` its site; ``documentation_url`` and ``icon_url`` go into every card, ``{agent}``
    in them becoming its agent's name. Cards are signed with the key in the file ``signing_key``, which is made on first
    use; None signs none. ``security_schemes`` are SecurityScheme objects by name (A2A 4.5.1), any one of which lets a
    caller in; empty says that no credentials are asked for. ``extensions`` are AgentExtension objects by their URIs
    (A2A 4.4.4); requests must name those that say ``required``. ``blocking_wait`` is how long a blocking SendMessage
    waits before it answers with the task as it is, ``long_poll`` how long GetTask waits for a newer generation.
    ``busy`` is what becomes of a message to a task at work: a refusal, or a task of its own on the same context by that
    policy (``dragoman.memory.model.ThreadPolicy``). ``idempotent`` lets a message that is sent again meet its first
    task; without it each opens one of its own, for clients that give two messages one id. Files over ``inline_limit``
    bytes go out as links below ``file_url``, sealed with ``file_key`` and good for ``file_ttl``; ``previous_file_keys``
    open links that were made with a key before it. Without an address and a key they go inline. ``keepalive`` is the
    longest silence of a stream, ``send_timeout`` how long a client may leave a stream unread. ``card_ttl`` is how long
    cards may be cached. ``grpc_port`` is where gRPC is served, None not at all; ``grpc_url`` is the ``host:port`` that
    others reach it by, where that is not the host of the cards. With ``grpc_certificate`` and ``grpc_private_key`` (PEM
    files) it speaks TLS.
    """

    prefix: str = "/a2a"
    public_url: str = ""
    default_agent: str | None = None
    provider: str = ""
    provider_url: str = ""
    documentation_url: str = ""
    icon_url: str = ""
    signing_key: Path | None = None
    security_schemes: Mapping[str, Mapping[str, Json]] = field(default_factory=dict[str, Mapping[str, Json]])
    extensions: Mapping[str, Mapping[str, Json]] = field(default_factory=dict[str, Mapping[str, Json]])
    busy: Busy = "reject"
    idempotent: bool = True
    blocking_wait: float = 3600.0
    long_poll: float = 30.0
    inline_limit: int = 262_144
    file_url: str = ""
    file_key: bytes = b""
    previous_file_keys: tuple[bytes, ...] = ()
    file_ttl: float = 3600.0
    keepalive: float = 15.0
    send_timeout: float = 30.0
    card_ttl: int = 300
    grpc_port: int | None = None
    grpc_url: str = ""
    grpc_certificate: str = ""
    grpc_private_key: str = ""

    def __post_init__(self) -> None:
        if not self.prefix.startswith("/") or self.prefix.endswith("/"):
            raise ValueError(f"prefix begins with a slash and does not end with one: {self.prefix!r} does not.")
        if bool(self.grpc_certificate) != bool(self.grpc_private_key):
            raise ValueError("grpc_certificate and grpc_private_key go together: one is missing.")

    def grpc_address(self, base_url: str) -> str | None:
        """Where gRPC is reached (``host:port``) by who asked for ``base_url``; None when it is not served."""
        if self.grpc_port is None:
            return None
        return self.grpc_url or f"{_host(base_url)}:{self.grpc_port}"


def _host(url: str) -> str:
    host = urlsplit(url).hostname or "localhost"
    return f"[{host}]" if ":" in host else host
