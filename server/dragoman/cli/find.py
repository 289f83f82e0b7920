"""Finds the place where runs are: a server that was named, the one that has the ledger open, or the ledger itself."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from dragoman.cli.errors import CommandError
from dragoman.cli.host import Host
from dragoman.memory.sqlite import read_lock
from dragoman.settings import find

__all__ = ["find_host"]


@asynccontextmanager
async def find_host(
    config: str | None, storage: str | None, url: str | None, key: str | None, *, works: bool
) -> AsyncGenerator[Host]:
    """The server at ``url``, else the one that has the ledger open, else the ledger itself.

    ``works`` starts an engine over the ledger, with the agents of the configuration. Raises ``CommandError`` when the
    ledger is held by a process that serves no HTTP.
    """
    if url is None:
        settings = find(config, {"storage": {"path": storage}}, needs_agents=False)
        holder = read_lock(settings.storage_path) if settings.storage_url is None else None
        if holder is None:
            from dragoman.cli.local import local_host

            async with local_host(settings, works=works) as host:
                yield host
            return
        if holder.url is None:
            raise CommandError(
                f"{settings.storage_path} is open in process {holder.pid}, which serves no HTTP (a `dragoman run`, "
                "or a `dragoman stdio` of some client). Wait until it ends, or ask it there."
            )
        url = holder.url
    from dragoman.cli.remote import remote_host

    async with remote_host(url, key) as host:
        yield host
