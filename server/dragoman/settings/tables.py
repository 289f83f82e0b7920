"""The tables of the server itself: where it listens, who may call, how runs are driven, what it serves."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, Strict, field_validator, model_validator

from dragoman.agents.errors import ConfigurationError
from dragoman.agents.loader import AgentSource
from dragoman.engine.cron_settings import CronSettings
from dragoman.engine.request import EngineSettings
from dragoman.memory.admission import PRIORITIES
from dragoman.settings.values import Count, Names, Seconds, Table

__all__ = ["AgentTable", "AuthTable", "CronTable", "EngineTable", "LogTable", "ServerTable"]


class ServerTable(Table):
    """``[server]``: where it listens and what it lets in.

    ``public_url`` is the address that others reach it by, where that is not ``http://host:port``. ``body_limit`` and
    ``head_limit`` are in bytes; ``request_timeout`` is how many seconds a request may take to arrive as a whole, and
    ``connection_limit`` how many connections may be open. ``allowed_hosts`` and ``allowed_origins``
    (``https://app.example``) are let in beside this machine's own names. ``trusted_proxies`` are addresses and
    networks whose ``X-Forwarded-*`` and ``Forwarded`` are believed.
    """

    host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    port: Annotated[int, Strict(), Field(ge=0, le=65535)] = 8000
    public_url: str = ""
    body_limit: Count = 4_194_304
    head_limit: Annotated[Count, Field(ge=1024)] = 65_536
    request_timeout: Seconds = 60.0
    connection_limit: Count = 4096
    allowed_hosts: Names = ()
    allowed_origins: Names = ()
    trusted_proxies: Names = ()

    @field_validator("public_url")
    @classmethod
    def _is_web_address(cls, value: str) -> str:
        parts = urlsplit(value)
        extra = parts.query or parts.fragment or "@" in parts.netloc
        if value and (parts.scheme not in ("http", "https") or not parts.hostname or extra or parts.port == 0):
            raise ValueError("must be an http or https address without query, as https://agents.example")
        if parts.path.rstrip("/").endswith(("/mcp", "/a2a")):
            raise ValueError("is the server's own address, to which it adds /mcp and /a2a: leave them out")
        return value.rstrip("/")

    @field_validator("trusted_proxies")
    @classmethod
    def _are_addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            try:
                ip_network("0.0.0.0" if name == "*" else name, strict=False)
            except ValueError:
                raise ValueError(f"{name!r} is no IP address, no network as 10.0.0.0/8, and not *") from None
        return value

    @property
    def url(self) -> str:
        """The address that others reach it by, without a slash at the end."""
        return self.public_url or self.local_url

    @property
    def local_url(self) -> str:
        """The address that this machine reaches it by."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"


class EngineTable(Table):
    """``[engine]``: see ``EngineSettings``. Times are seconds. ``reserve`` is an eighth of ``concurrency`` unless all
    callers are of one tenant."""

    concurrency: Count = 64
    reserve: Annotated[int, Strict(), Field(ge=0)] | None = None
    tenant_concurrency: Count | None = None
    queue_limit: Count = 10_000
    tenant_queue_limit: Count = 1000
    lease: Annotated[Seconds, Field(ge=1)] = 30.0
    run_timeout: Seconds = 3600.0
    flush_interval: Annotated[Seconds, Field(le=5)] = 0.02
    grace: Annotated[float, Strict(), Field(ge=0, le=3600)] = 10.0
    max_crashes: Count = 10
    subscriber_buffer: Count = 1024
    short_sleep: Annotated[float, Strict(), Field(ge=0, le=60)] = 1.0

    @model_validator(mode="after")
    def _leaves_places(self) -> Self:
        if self.reserve is not None and self.reserve >= self.concurrency:
            raise ValueError("reserve must be less than concurrency, of which it is a part")
        return self

    def to_engine(self, crons: CronSettings | None = None, *, one_tenant: bool = True) -> EngineSettings:
        """As the engine takes them; ``one_tenant``: all callers are of the same."""
        usual = 0 if one_tenant else self.concurrency // 8
        reserve = usual if self.reserve is None else self.reserve
        told: dict[str, Any] = {**self.model_dump(), "reserve": reserve}
        return EngineSettings(**told, crons=crons or CronSettings())


class CronTable(Table):
    """``[crons]``: see ``CronSettings``. ``grace`` is in seconds."""

    misfire: Literal["skip", "once", "all"] = "once"
    grace: Annotated[float, Strict(), Field(ge=0, le=86_400)] = 60.0
    catch_up: Annotated[Count, Field(le=10_000)] = 100
    limit: Count = 10_000

    def to_engine(self) -> CronSettings:
        """As the engine takes them."""
        return CronSettings(**self.model_dump())


class AuthTable(Table):
    """``[auth]``: ``off`` serves this machine alone, ``keys`` asks for an API key. ``cache`` is how long, in
    seconds, a key that was found valid is not looked up again: the time that a revoked one still works.
    ``sealing_keys`` are files, from the folder of the settings file: the first seals, all open."""

    mode: Literal["off", "keys"] = "off"
    cache: Annotated[float, Strict(), Field(ge=0, le=300)] = 5.0
    sealing_keys: Names = ()


class LogTable(Table):
    """``[log]``"""

    level: Literal["debug", "info", "warning", "error"] = "info"


class AgentTable(Table):
    """One of ``[agents]``: where it is (``import = "package.module:name"`` or ``path = "file.py:name"``), and what
    to tell of it instead of what its code says."""

    name: str | None = None
    import_: Annotated[str | None, Field(alias="import")] = None
    path: str | None = None
    title: str | None = None
    description: str | None = None
    version: str | None = None
    timeout: Seconds | None = None
    concurrency: Count | None = None
    priority: Annotated[int, Strict(), Field(ge=PRIORITIES[0], le=PRIORITIES[-1])] | None = None
    resumes: Names | None = None

    def source(self, base: Path, where: str) -> AgentSource:
        """As the loader takes it. Raises ``ConfigurationError`` unless there is just one of ``import`` and ``path``."""
        if (self.import_ is None) == (self.path is None):
            raise ConfigurationError(
                f'{where}: say where the agent is, by import = "module:name" or path = "file.py:name".'
            )
        return AgentSource(
            spec=self.import_ or self.path or "",
            base=base,
            where=where,
            is_file=self.path is not None,
            name=self.name,
            title=self.title,
            description=self.description,
            version=self.version,
            timeout=self.timeout,
            concurrency=self.concurrency,
            priority=self.priority,
            resumes=self.resumes,
        )
