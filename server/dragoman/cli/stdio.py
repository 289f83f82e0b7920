"""``dragoman stdio``: MCP on this process's standard streams, for a client that starts the server itself.

No HTTP is imported. Desktop clients start several at once, and probe with one that they end at once; so without a
chosen ledger each takes the first free file of a few in the user's own folder, or in a chosen folder. A chosen file
that is in use is refused.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

from dragoman.agents.loader import Loaded, load
from dragoman.auth import LOCAL
from dragoman.cli.errors import CommandError
from dragoman.engine import Engine
from dragoman.mcp.stdio import serve_stdio
from dragoman.memory.errors import LedgerLocked
from dragoman.memory.ledger import Ledger
from dragoman.memory.sqlite import SqliteLedger
from dragoman.settings import Settings, find, user_folder
from dragoman.settings.faces import mcp_catalog, mcp_folders, mcp_settings, remote_peers
from dragoman.settings.master_keys import is_sealing, master_keys
from dragoman.settings.storage import made_blobs, made_ledger
from dragoman.telemetry import configure_logging

__all__ = ["stdio"]

PLACES = 16
_log = logging.getLogger("dragoman.stdio")


def stdio(target: str | None, *, storage: str | None, log_level: str | None) -> None:
    """Serve until standard input ends. Raises ``ConfigurationError``, ``LedgerLocked``, ``CommandError``."""
    settings = find(target, {"storage": {"path": storage}, "log": {"level": log_level}})
    configure_logging(settings.log.level, sealed=is_sealing(settings))
    with contextlib.redirect_stdout(sys.stderr):  # what agents print when they are imported is no protocol
        loaded = load(settings.sources())
    if not loaded:
        raise CommandError("No agents: name them under [agents] in dragoman.toml, or give a file with some.", 2)
    with contextlib.suppress(asyncio.CancelledError):
        asyncio.run(_serve(settings, loaded))


async def _serve(settings: Settings, loaded: Loaded) -> None:
    settings, ledger = await _open(settings)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, _current().cancel)
    try:
        offered = mcp_catalog(settings, loaded)
        folders = mcp_folders(settings, offered)
        engine = Engine(ledger, loaded.agents, settings.engine.to_engine(), offered.durable, remote_peers(settings))
        async with engine, folders.watched():
            await serve_stdio(engine, LOCAL, mcp_settings(settings), offered)
    finally:
        await ledger.close()


def _current() -> asyncio.Task[object]:
    task = asyncio.current_task()
    assert task is not None
    return task


async def _open(settings: Settings) -> tuple[Settings, Ledger]:
    """The first ledger that is free, open, and the settings that name it."""
    if settings.storage_url is not None:
        shared = made_ledger(settings)
        await shared.open()
        return settings, shared
    locked: LedgerLocked | None = None
    for path in _places(settings):
        here = settings.stored_at(path)
        ledger = SqliteLedger(here.made_storage(), masters=master_keys(settings), blobs=made_blobs(settings))
        try:
            await ledger.open()
        except LedgerLocked as error:
            locked = error
            continue
        _log.info("ledger %s", path)
        return here, ledger
    raise locked or CommandError("There is no ledger to open.")


def _places(settings: Settings) -> Iterator[Path]:
    if settings.storage_chosen and not settings.storage_path.is_dir():
        yield settings.storage_path
        return
    folder = settings.storage_path if settings.storage_chosen else _own_folder(settings)
    yield folder / "ledger.db"
    for number in range(2, PLACES + 1):
        yield folder / f"ledger-{number}.db"


def _own_folder(settings: Settings) -> Path:
    """By what is served: the runs of one project are not another's."""
    served = "\n".join([str(settings.base), *(source.spec for source in settings.sources())])
    name = settings.base.name or "agents"
    return user_folder() / "stdio" / f"{name}-{hashlib.sha256(served.encode()).hexdigest()[:8]}"
