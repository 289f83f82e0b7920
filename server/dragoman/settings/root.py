"""All tables of ``dragoman.toml`` as checked values, and what follows from them. Nothing is read here."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field

from dragoman.agents.errors import ConfigurationError
from dragoman.agents.loader import AgentSource
from dragoman.settings.face_tables import A2aTable, McpTable
from dragoman.settings.ledger_tables import BlobsTable, SealingTable, StorageTable
from dragoman.settings.outside_tables import EgressTable, OutboxTable, PeerTable
from dragoman.settings.retention import RetentionTable
from dragoman.settings.tables import AgentTable, AuthTable, CronTable, EngineTable, LogTable, ServerTable
from dragoman.settings.values import Table

__all__ = ["Settings", "is_loopback", "shown"]


class Settings(Table):
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
    peers: dict[str, PeerTable] = Field(default_factory=dict[str, PeerTable])
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
