"""The tables of what this server calls: where it may, what it owes, its peers."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, Strict, field_validator

from dragoman.auth.egress import DEFAULT_PORTS, Egress, parse_allowed
from dragoman.engine.outgoing import OutboxSettings
from dragoman.settings.values import Count, Names, Seconds, Table

__all__ = ["EgressTable", "OutboxTable", "PeerTable"]


class EgressTable(Table):
    """``[egress]``: see ``Egress``. Where this server may call, beside the public Internet: ``allow`` are addresses,
    networks, names and ``*.domains``; ``ports`` are those of all others, empty for any."""

    allow: Names = ()
    ports: tuple[Annotated[int, Strict(), Field(ge=1, le=65535)], ...] = DEFAULT_PORTS

    @field_validator("allow")
    @classmethod
    def _are_places(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        parse_allowed(value)
        return value

    def to_egress(self) -> Egress:
        """As it is asked."""
        return Egress(self.allow, self.ports)


class OutboxTable(Table):
    """``[outbox]``: see ``OutboxSettings``. Times are seconds, sizes bytes. ``sign`` has requests signed as Standard
    Webhooks, with secrets made from the key beside the ledger."""

    sign: bool = True
    concurrency: Count = 64
    per_host: Count = 16
    timeout: Annotated[Seconds, Field(le=300)] = 15.0
    attempts: Count = 24
    backoff: Seconds = 2.0
    backoff_limit: Seconds = 3600.0
    body_limit: Count = 4_194_304
    per_run: Annotated[Count, Field(le=1000)] = 20

    def to_outbox(self) -> OutboxSettings:
        """As the engine takes them."""
        return OutboxSettings(**self.model_dump(exclude={"sign"}))


class PeerTable(Table):
    """One of ``[peers]``: another server's agent, or all that is under ``url``.

    ``keys`` are what its card must be signed with: a file with a JSON Web Key Set, relative to the settings file, or an
    https address of one. ``credential`` is the environment variable that holds its credential, which is sent as
    ``header``: ``scheme`` and the credential. ``binding`` is the only one to use, where that is not left to the card.
    """

    url: str
    keys: str = ""
    credential: str = ""
    header: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]+$")] = "Authorization"
    scheme: str = "Bearer"
    binding: Literal["JSONRPC", "HTTP+JSON", "GRPC"] | None = None

    @field_validator("url")
    @classmethod
    def _is_web_address(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc or parts.fragment:
            raise ValueError("must be the address of an agent or its card, as https://agents.example/a2a/refunds")
        return value
