"""The tables of ``dragoman.toml`` as checked values, and what follows from them. Nothing is read here."""

from __future__ import annotations

import re
import shlex
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, Strict, field_validator, model_validator

from dragoman.agents.errors import ConfigurationError
from dragoman.agents.loader import AgentSource
from dragoman.auth.egress import DEFAULT_PORTS, Egress, parse_allowed
from dragoman.engine.cron_settings import CronSettings
from dragoman.engine.outgoing import OutboxSettings
from dragoman.engine.request import EngineSettings
from dragoman.memory.admission import PRIORITIES
from dragoman.memory.postgres import is_postgres
from dragoman.settings.retention import RetentionTable

__all__ = [
    "A2aTable",
    "AgentTable",
    "AuthTable",
    "BlobsTable",
    "CronTable",
    "EgressTable",
    "EngineTable",
    "LogTable",
    "McpTable",
    "OutboxTable",
    "PeerTable",
    "SealingTable",
    "ServerTable",
    "Settings",
    "StorageTable",
    "is_loopback",
    "shown",
]

DEFAULT_STORAGE = ".dragoman/ledger.db"

Count = Annotated[int, Strict(), Field(ge=1)]
Seconds = Annotated[float, Strict(), Field(gt=0, allow_inf_nan=False)]


def _split(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], BeforeValidator(_split)]


def _arguments(value: object) -> object:
    return shlex.split(value) if isinstance(value, str) else value


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class ServerTable(_Table):
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


class StorageTable(_Table):
    """``[storage]``: the ledger, a file or a Postgres database. A relative path starts at the folder of the settings
    file; with a ``url`` it is where what belongs to this machine alone is kept."""

    path: Path = Path(DEFAULT_STORAGE)
    url: SecretStr | None = None

    @field_validator("url")
    @classmethod
    def _is_postgres(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and not is_postgres(url.get_secret_value()):
            raise ValueError("not the URL of a Postgres database: postgresql://user:password@host:5432/name")
        return url


class EngineTable(_Table):
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


class CronTable(_Table):
    """``[crons]``: see ``CronSettings``. ``grace`` is in seconds."""

    misfire: Literal["skip", "once", "all"] = "once"
    grace: Annotated[float, Strict(), Field(ge=0, le=86_400)] = 60.0
    catch_up: Annotated[Count, Field(le=10_000)] = 100
    limit: Count = 10_000

    def to_engine(self) -> CronSettings:
        """As the engine takes them."""
        return CronSettings(**self.model_dump())


class AuthTable(_Table):
    """``[auth]``: ``off`` serves this machine alone, ``keys`` asks for an API key. ``cache`` is how long, in
    seconds, a key that was found valid is not looked up again: the time that a revoked one still works.
    ``sealing_keys`` are files, from the folder of the settings file: the first seals, all open."""

    mode: Literal["off", "keys"] = "off"
    cache: Annotated[float, Strict(), Field(ge=0, le=300)] = 5.0
    sealing_keys: Names = ()


class SealingTable(_Table):
    """``[sealing]``: where the master keys come from that the ledger's values are sealed with: a ``file`` that its
    owner alone can read, from the folder of the settings file, or a ``command`` that prints them. Without either, and
    without ``DRAGOMAN_MASTER_KEYS``, nothing is sealed."""

    file: str = ""
    command: Annotated[tuple[str, ...], BeforeValidator(_arguments)] = ()


class BlobsTable(_Table):
    """``[blobs]``: where values of ``threshold`` bytes and more are kept: a folder, from that of the settings file, or
    ``s3://``, ``gs://`` or ``az://`` with a bucket. Without a ``url`` all values are in the ledger. What nothing refers
    to is collected after ``grace`` seconds and no later than three times that."""

    url: str = ""
    threshold: Annotated[Count, Field(ge=1024)] = 262_144
    grace: Annotated[Seconds, Field(ge=3600)] = 86_400.0


class A2aTable(_Table):
    """``[a2a]``: see ``A2aSettings``. Times are seconds, sizes bytes; paths start at the folder of the settings file.

    ``sign`` has cards signed, by the key in ``signing_key`` or else in a file beside the ledger.
    ``extensions`` are AgentExtension objects by their URIs, such as ``{"urn:acme:loyalty:v1": {required = true}}``.
    """

    default_agent: str | None = None
    provider: str = ""
    provider_url: str = ""
    documentation_url: str = ""
    icon_url: str = ""
    sign: bool = True
    signing_key: str = ""
    extensions: dict[str, dict[str, Any]] = {}
    busy: Literal["reject", "enqueue", "interrupt", "rollback"] = "reject"
    idempotent: bool = True
    blocking_wait: Seconds = 3600.0
    long_poll: Annotated[Seconds, Field(le=300)] = 30.0
    inline_limit: Annotated[int, Strict(), Field(ge=0)] = 262_144
    file_ttl: Seconds = 3600.0
    grpc_port: Annotated[int, Strict(), Field(ge=1, le=65535)] | None = None
    grpc_url: str = ""
    grpc_certificate: str = ""
    grpc_private_key: str = ""


class EgressTable(_Table):
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


class OutboxTable(_Table):
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


class PeerTable(_Table):
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


class LogTable(_Table):
    """``[log]``"""

    level: Literal["debug", "info", "warning", "error"] = "info"


class McpTable(_Table):
    """``[mcp]``: see ``McpSettings``. ``tools`` are globs over the names of agents and of tools, exposed or not; those
    with a ``!`` in front leave out what the others chose. Without it: every agent and every exposed tool. ``prompts``
    and ``skills`` are folders beside the settings file, empty for none. Times are seconds unless their name says
    otherwise."""

    tools: Names | None = None
    companions: bool = True
    inline_wait: Annotated[Seconds, Field(le=60)] = 0.5
    call_wait: Seconds = 55.0
    elicit_wait: Annotated[float, Strict(), Field(ge=0, allow_inf_nan=False)] = 0.0
    keepalive: Seconds = 15.0
    stream_close_after: Seconds | None = None
    page_size: Annotated[Count, Field(le=1000)] = 100
    listed_runs: Annotated[Count, Field(le=1000)] = 100
    listen_streams: Count = 64
    listen_items: Count = 1000
    state_ttl: Seconds = 86_400.0
    session_ttl: Seconds = 86_400.0
    embed_limit: Annotated[int, Strict(), Field(ge=0)] = 262_144
    poll_interval_ms: Count = 1000
    list_ttl_ms: Annotated[int, Strict(), Field(ge=0)] = 60_000
    name: Annotated[str, Field(min_length=1)] = "dragoman"
    title: Annotated[str, Field(min_length=1)] = "Dragoman"
    instructions: str = ""
    prompts: str = "prompts"
    skills: str = "skills"


class AgentTable(_Table):
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


class Settings(_Table):
    """All settings. ``file`` is where they were read, ``base`` the folder that relative paths start from."""

    server: ServerTable = ServerTable()
    storage: StorageTable = StorageTable()
    engine: EngineTable = EngineTable()
    crons: CronTable = CronTable()
    auth: AuthTable = AuthTable()
    sealing: SealingTable = SealingTable()
    blobs: BlobsTable = BlobsTable()
    mcp: McpTable = McpTable()
    a2a: A2aTable = A2aTable()
    egress: EgressTable = EgressTable()
    outbox: OutboxTable = OutboxTable()
    retention: RetentionTable = RetentionTable()
    peers: dict[str, PeerTable] = {}
    log: LogTable = LogTable()
    agents: tuple[AgentTable, ...] = ()
    file: Annotated[Path | None, Field(exclude=True)] = None
    base: Annotated[Path, Field(exclude=True)] = Path()

    @property
    def storage_path(self) -> Path:
        """The ledger's file, absolute."""
        return (self.base / self.storage.path.expanduser()).absolute()

    @property
    def storage_url(self) -> str | None:
        """The ledger's database, None where it is a file."""
        return None if self.storage.url is None else self.storage.url.get_secret_value()

    @property
    def storage_shown(self) -> str:
        """Where the ledger is, without a password."""
        if self.storage_url is None:
            return str(self.storage_path)
        parts = urlsplit(self.storage_url)
        host = parts.netloc.rpartition("@")[2]
        return f"postgresql://{host}{parts.path}"

    @property
    def storage_chosen(self) -> bool:
        """Whether the ledger's file was named, and is not the default."""
        return "path" in self.storage.model_fields_set

    def made_storage(self) -> Path:
        """``storage_path`` with its folder made, for its owner alone."""
        self.storage_path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self.storage_path

    @property
    def signing_path(self) -> Path:
        """The file of the keys that cards are signed with, absolute."""
        if self.a2a.signing_key:
            return (self.base / Path(self.a2a.signing_key).expanduser()).absolute()
        return self.storage_path.with_name(f"{self.storage_path.name}.signing.json")

    def stored_at(self, path: Path) -> Self:
        """The same, with the ledger in this file."""
        return self.model_copy(update={"storage": StorageTable(path=path)})

    def sources(self) -> tuple[AgentSource, ...]:
        """Where the agents are. Raises ``ConfigurationError``."""
        table = f"{shown(self.file)}: [agents] " if self.file else ""
        return tuple(
            a.source(self.base, f"{table}{a.name or n}" if table else a.path or a.import_ or "")
            for n, a in enumerate(self.agents, 1)
        )

    def mcp_folder(self, key: Literal["prompts", "skills"]) -> Path | None:
        """The folder of ``[mcp] prompts`` or ``skills``, absolute; None where none is looked into: without a settings
        file only one that was named is. Raises ``ConfigurationError`` for one that was named and is not there."""
        name, named = getattr(self.mcp, key), key in self.mcp.model_fields_set
        if not name or not (named or self.file):
            return None
        folder = (self.base / Path(name).expanduser()).absolute()
        if named and not folder.is_dir():
            where = f"{shown(self.file)}: [mcp] {key}" if self.file else f"[mcp] {key}"
            raise ConfigurationError(f"{where}: no folder {folder}.")
        return folder

    def bound_to(self, port: int) -> Self:
        """The same, listening on this port."""
        return self.model_copy(update={"server": self.server.model_copy(update={"port": port})})

    def check_exposure(self) -> None:
        """Raises ``ConfigurationError`` when others could reach a server that asks nobody who they are."""
        if self.auth.mode == "off" and not is_loopback(self.server.host):
            raise ConfigurationError(
                f"{self.server.host} can be reached from other machines, and nobody is asked for a key. Make a key "
                "with `dragoman keys create` and serve with --auth keys, or stay on 127.0.0.1."
            )


def is_loopback(host: str) -> bool:
    """Whether a host as in a URL or a bind address (no port) is this machine's own."""
    name = host.lower().strip("[]")
    return name in ("localhost", "::1") or re.fullmatch(r"127(\.\d{1,3}){3}", name) is not None


def shown(file: Path) -> str:
    """A path as short as it can be told from here."""
    try:
        return str(file.absolute().relative_to(Path.cwd()))
    except ValueError:
        return str(file)
