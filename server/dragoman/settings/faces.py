"""What each face and the stdio pipe are told, from the settings: one place, so that both ways to serve agree."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dragoman.a2a.client import A2aPeers
from dragoman.a2a.client_settings import PeerSettings
from dragoman.a2a.settings import API_KEY_SCHEMES, A2aSettings
from dragoman.agent_protocol.settings import AgentProtocolSettings
from dragoman.agents.catalog import Catalog
from dragoman.agents.errors import ConfigurationError
from dragoman.agents.folders import Folders
from dragoman.agents.loader import Loaded
from dragoman.agents.naming import NAME
from dragoman.auth.webhooks import WebhookSigner
from dragoman.engine.outgoing import Outgoing
from dragoman.mcp.settings import McpSettings, named
from dragoman.memory.model import Json
from dragoman.settings.outside_tables import PeerTable
from dragoman.settings.root import Settings, shown
from dragoman.settings.sealing import sealing_keys

__all__ = [
    "a2a_settings",
    "agent_protocol_settings",
    "mcp_catalog",
    "mcp_folders",
    "mcp_settings",
    "outgoing",
    "peer_settings",
    "remote_peers",
    "webhook_key",
]


def mcp_settings(settings: Settings) -> McpSettings:
    """The MCP face's. Raises ``ConfigurationError`` as ``sealing_keys`` does."""
    key, *previous = sealing_keys(settings)
    return McpSettings(
        state_key=key,
        previous_keys=tuple(previous),
        max_message=settings.server.body_limit,
        allowed_hosts=("*",),  # the gate in front of all faces has looked
        allowed_origins=("*",),
        **settings.mcp.model_dump(exclude={"prompts", "skills"}),
    )


def mcp_catalog(settings: Settings, loaded: Loaded) -> Catalog:
    """What is offered over MCP beside agents: what was loaded, and the tools of agents that the settings name.

    Raises ``ConfigurationError`` for one that clients could not tell from another.
    """
    catalog, globs = loaded.catalog, settings.mcp.tools or ()
    agents = {agent.name for agent in loaded.agents}
    for tool in loaded.tools:
        if tool.expose or not named(tool.name, globs):
            continue
        where = f"{shown(settings.file)}: [mcp] tools" if settings.file else "[mcp] tools"
        if not NAME.match(tool.name):
            raise ConfigurationError(f"{where}: {tool.name!r} does not fit: letters, digits, _ and -, 64 at most.")
        if tool.name in agents or catalog.tools.get(tool.name, tool) is not tool:
            raise ConfigurationError(f"{where}: {tool.name!r} names two things; leave it out, or rename one.")
        catalog.add(tool)
    return catalog


def mcp_folders(settings: Settings, catalog: Catalog) -> Folders:
    """The prompts and skills in folders, taken into the catalog. Raises ``ConfigurationError``."""
    folders = Folders(catalog, settings.mcp_folder("prompts"), settings.mcp_folder("skills"))
    try:
        folders.load()
    except ConfigurationError as error:
        # These folders are looked into unasked, and may be someone else's.
        raise ConfigurationError(f'{error.message} ([mcp] prompts = "" and skills = "" look into none.)') from None
    return folders


def a2a_settings(settings: Settings) -> A2aSettings:
    """The A2A face's. Raises ``ConfigurationError`` as ``sealing_keys`` does."""
    table, (key, *previous) = settings.a2a, sealing_keys(settings)
    given = table.model_dump(exclude={"sign", "signing_key"})
    for name in ("grpc_certificate", "grpc_private_key"):
        if given[name]:
            given[name] = str((settings.base / Path(given[name]).expanduser()).absolute())
    return A2aSettings(
        public_url=settings.server.public_url,
        file_url=settings.server.url,
        file_key=key,
        previous_file_keys=tuple(previous),
        signing_key=settings.signing_path if table.sign else None,
        security_schemes=API_KEY_SCHEMES if settings.auth.mode == "keys" else {},
        **given,
    )


def outgoing(settings: Settings) -> Outgoing:
    """How the outbox sends: to where the settings let it, signed with each sealing key, so that receivers may learn the
    secret of a new one in their own time."""
    key, *previous = sealing_keys(settings)
    signers = (WebhookSigner(key, tuple(previous)),) if settings.outbox.sign else ()
    return Outgoing(settings.outbox.to_outbox(), settings.egress.to_egress(), signers)


def webhook_key(settings: Settings) -> bytes:
    """What the secrets of receivers are made from: the first sealing key."""
    return sealing_keys(settings)[0]


def remote_peers(settings: Settings) -> A2aPeers:
    """What calls other servers' agents. Raises as ``peer_settings`` does."""
    return A2aPeers(peer_settings(settings), settings.egress.to_egress())


def peer_settings(settings: Settings, env: Mapping[str, str] | None = None) -> list[PeerSettings]:
    """Other servers' agents, with their keys and credentials. ``env`` is the process's unless given. Raises
    ``ConfigurationError`` for a variable that is not set, and for a file that holds no keys."""
    return [_peer(settings, name, table, os.environ if env is None else env) for name, table in settings.peers.items()]


def _peer(settings: Settings, name: str, table: PeerTable, env: Mapping[str, str]) -> PeerSettings:
    where = f"{shown(settings.file)}: [peers] {name}" if settings.file else f"[peers] {name}"
    headers: dict[str, str] = {}
    if table.credential:
        credential = env.get(table.credential, "").strip()
        if not credential:
            raise ConfigurationError(f"{where} credential: the environment variable {table.credential} is not set.")
        headers[table.header] = f"{table.scheme} {credential}".strip()
    at_url = table.keys.startswith(("https://", "http://"))
    return PeerSettings(
        name=name,
        url=table.url,
        keys=_keys(where, (settings.base / Path(table.keys).expanduser()).absolute())
        if table.keys and not at_url
        else (),
        keys_url=table.keys if at_url else "",
        headers=headers,
        binding=table.binding,
    )


def _keys(where: str, path: Path) -> list[Mapping[str, Json]]:
    """The public keys in a file: a JSON Web Key Set, or one key."""
    try:
        told: Any = json.loads(path.read_text(encoding="utf-8"))
        keys: list[Mapping[str, Json]] = [key for key in told.get("keys", [told]) if "kty" in key]
    except OSError as error:
        raise ConfigurationError(f"{where} keys: {path} cannot be read: {error.strerror or error}.") from None
    except (ValueError, AttributeError, TypeError):
        keys = []
    if not keys:
        raise ConfigurationError(f"{where} keys: {path} holds no JSON Web Key Set.")
    return keys


def agent_protocol_settings(settings: Settings) -> AgentProtocolSettings:
    """The Agent Protocol face's: its own defaults."""
    return AgentProtocolSettings()
