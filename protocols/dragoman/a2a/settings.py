"""How the A2A face behaves: values alone, read from no file and no environment; the app composes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from dragoman.memory.model import Json

__all__ = ["API_KEY_SCHEMES", "A2aSettings"]

API_KEY_SCHEMES: Final[Mapping[str, Mapping[str, Json]]] = {
    "bearer": {"httpAuthSecurityScheme": {"scheme": "Bearer", "description": "An API key of this server."}},
    "apiKey": {"apiKeySecurityScheme": {"location": "header", "name": "X-API-Key", "description": "The same key."}},
}
"""What cards say of a server that asks for API keys: any one of these will do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class A2aSettings:
    """Settings of the face. Times are seconds.

    ``public_url`` is the address that others reach the server by; empty takes it from each request (scheme and Host).
    ``default_agent`` is the one whose card stands at the host root; None is the first. ``provider`` is the organization
    that cards name, ``provider_url`` its site. ``security_schemes`` are SecurityScheme objects by name (A2A 4.5.1), any
    one of which lets a caller in; empty says that no credentials are asked for. ``blocking_wait`` is how long a
    blocking SendMessage waits before it answers with the task as it is. ``keepalive`` is the longest silence of a
    stream, ``send_timeout`` how long a client may leave a stream unread. ``card_ttl`` is how long cards may be cached.
    """

    prefix: str = "/a2a"
    public_url: str = ""
    default_agent: str | None = None
    provider: str = ""
    provider_url: str = ""
    security_schemes: Mapping[str, Mapping[str, Json]] = field(default_factory=dict[str, Mapping[str, Json]])
    blocking_wait: float = 3600.0
    keepalive: float = 15.0
    send_timeout: float = 30.0
    card_ttl: int = 300

    def __post_init__(self) -> None:
        if not self.prefix.startswith("/") or self.prefix.endswith("/"):
            raise ValueError(f"prefix begins with a slash and does not end with one: {self.prefix!r} does not.")
