"""Keeps leases: renews them on a connection of its own, so that they never wait behind the work that they are for.

Opened by the first renewal. Above: ``ledger.py``. Below: ``leases.py`` in ``runner.py``'s transactions.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import psycopg
from psycopg_pool import AsyncConnectionPool

from dragoman.memory.ledger import Renewed
from dragoman.memory.postgres import leases
from dragoman.memory.postgres.bell import CONNECT_S
from dragoman.memory.postgres.runner import Runner
from dragoman.memory.postgres.tx import PostgresTx
from dragoman.memory.postgres.wire import Connection

__all__ = ["Keeper"]

_WRITTEN: Final = 0.05  # seconds in which a write that was under way is likely to be over


class Keeper:
    """Renews leases in the database at ``url``, on a connection that ``configure`` has made ready; waits for a database
    that is away for as long as it takes."""

    def __init__(self, url: str, configure: Callable[[psycopg.AsyncConnection[Any]], Awaitable[None]]) -> None:
        self._url = url
        self._configure = configure
        self._opened: tuple[AsyncConnectionPool[Connection], Runner] | None = None

    async def renew(self, worker: str, held: Sequence[str], lease_s: float) -> Renewed:
        """See ``Ledger.renew``. What is being written at that moment is tried again until the next renewal is due."""
        loop = asyncio.get_running_loop()
        until = loop.time() + lease_s / 3
        # What is not heard in a third of a lease is asked again, so that the lease outlives a connection that is dead.
        silence = max(1.0, lease_s / 3)
        runner = await self._runner()
        lost: list[str] = []
        cancel: dict[str, None] = {}
        while held:
            renewed, held = await runner.write(leases.renew, worker, held, lease_s, relaxed=True, silence=silence)
            lost += renewed.lost
            cancel.update(dict.fromkeys(renewed.cancel))
            if loop.time() > until:
                break
            if held:
                await asyncio.sleep(_WRITTEN)
        return Renewed(tuple(lost), tuple(cancel))

    async def close(self) -> None:
        """Renew no more."""
        if self._opened is not None:
            (pool, runner), self._opened = self._opened, None
            runner.give_up()
            await runner.settle()
            await pool.close()

    async def _runner(self) -> Runner:
        if self._opened is None:
            pool = AsyncConnectionPool(
                self._url,
                connection_class=Connection,
                kwargs={"autocommit": True, "connect_timeout": CONNECT_S},
                min_size=1,
                max_size=1,
                reconnect_timeout=1.0,
                configure=self._configure,
                open=False,
            )
            self._opened = pool, Runner(pool, math.inf, _nothing)
            await pool.open()
        return self._opened[1]


def _nothing(tx: PostgresTx) -> None:
    """A renewal is told to nobody."""
