"""``dragoman worker`` and ``dragoman migrate``: what a ledger on Postgres needs beside the servers on it.

A worker drives runs and serves nothing: it is an engine over the ledger, until a signal. A migration is what every
process does when it opens the ledger; the command does it beforehand, by a role that may.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Mapping, Sequence

from dragoman.agents import Agent
from dragoman.agents.loader import load
from dragoman.cli.errors import CommandError
from dragoman.cli.http_server import loop_factory
from dragoman.engine import Engine
from dragoman.engine.retention import RetentionSweeper
from dragoman.memory.postgres import postgres_ledger
from dragoman.settings import Settings, find
from dragoman.settings.faces import mcp_catalog, outgoing, remote_peers
from dragoman.settings.master_keys import is_sealing
from dragoman.settings.storage import made_ledger
from dragoman.telemetry import configure_logging

__all__ = ["migrate", "worker"]


def worker(target: str | None, *, storage: str | None, log_level: str | None) -> None:
    """Drive runs until SIGTERM or SIGINT. Raises ``ConfigurationError``, ``CommandError``."""
    settings = find(target, {"storage": {"path": storage}, "log": {"level": log_level}})
    if settings.storage_url is None:
        raise CommandError("A worker shares its ledger with servers: give a Postgres URL as --storage.", 2)
    configure_logging(settings.log.level, sealed=is_sealing(settings))
    loaded = load(settings.sources())
    if not loaded:
        raise CommandError("No agents: name them under [agents] in dragoman.toml, or give a file with some.", 2)
    tools = mcp_catalog(settings, loaded).durable
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(_work(settings, loaded.agents, tools))


async def _work(settings: Settings, agents: Sequence[Agent], tools: Mapping[str, Agent]) -> None:
    ledger = made_ledger(settings)
    # Whose runs a worker takes is not its own to know: a database may have those of many.
    own = settings.engine.to_engine(settings.crons.to_engine(), one_tenant=False)
    engine = Engine(ledger, agents, own, tools, remote_peers(settings), outgoing(settings))
    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, over.set)
    await ledger.open()
    try:
        async with engine, RetentionSweeper(ledger, settings.retention.to_engine()):
            print(f"Dragoman works on {settings.storage_shown}: {', '.join(a.name for a in agents)}", flush=True)
            await over.wait()
    finally:
        await ledger.close()


def migrate(*, config: str | None, storage: str | None) -> None:
    """Bring a database to this version."""
    settings = find(config, {"storage": {"path": storage}}, needs_agents=False)
    if settings.storage_url is None:
        raise CommandError("A file is brought to this version when it is opened; give a Postgres URL as --storage.", 2)
    done = asyncio.run(postgres_ledger(settings.storage_url).migrate())
    print("\n".join(f"applied {name}" for name in done) or "nothing to do", file=sys.stderr)
