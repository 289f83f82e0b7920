"""``PostgresLedger``: the ledger on a Postgres database, which many replicas share.

Pooled connections, opened and migrated here; the verbs of runs are beside this module, the others are shared with the
embedded ledger. Leases are on the database's clock and outlive the process that held them: another replica takes a dead
one's runs when they have run out. Above: the engine, which sees ``dragoman.memory.ledger.Ledger`` alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import aclosing
from typing import Any, Final, TypeVar

import psycopg
from psycopg_pool import AsyncConnectionPool

from dragoman.memory.blobs.aside import Blobs
from dragoman.memory.blobs.sweeping import sweep_on
from dragoman.memory.errors import Conflict, LedgerBusy
from dragoman.memory.postgres.asking import Asking
from dragoman.memory.postgres.bell import CONNECT_S, Bell
from dragoman.memory.postgres.days import Days
from dragoman.memory.postgres.dialect import Statement
from dragoman.memory.postgres.dropping import DroppedDay, drop_days
from dragoman.memory.postgres.keeper import Keeper
from dragoman.memory.postgres.lanes import Lanes
from dragoman.memory.postgres.migrations import check_roles, migrate
from dragoman.memory.postgres.remembered import Remembered
from dragoman.memory.postgres.run_verbs import RunVerbs
from dragoman.memory.postgres.runner import Runner
from dragoman.memory.postgres.tx import PostgresTx
from dragoman.memory.postgres.wire import Connection
from dragoman.memory.replicas import News
from dragoman.memory.sealing.data_keys import Keyring
from dragoman.memory.sealing.master_keys import MasterKeys, check_known
from dragoman.memory.sealing.references import BLOBS_UNNAMED
from dragoman.memory.sealing.wholeness import check_keys_are_there, is_whole
from dragoman.memory.statements import SQL
from dragoman.memory.verbs.admission import AdmissionVerbs
from dragoman.memory.verbs.assistant_verbs import AssistantVerbs
from dragoman.memory.verbs.blobs import ledger_name, refers_to_blobs, unused_blobs
from dragoman.memory.verbs.cron_verbs import CronVerbs
from dragoman.memory.verbs.keeping_verbs import KeepingVerbs
from dragoman.memory.verbs.kept_verbs import KeptVerbs
from dragoman.memory.verbs.outbox import OutboxVerbs
from dragoman.memory.verbs.store_verbs import StoreVerbs
from dragoman.memory.verbs.thread_verbs import ThreadVerbs

__all__ = ["PostgresLedger"]

T = TypeVar("T")

# Sent by every connection when it is made. A statement that takes this long, or waits this long for a lock, is not the
# ledger's. A transaction is never idle for longer than an event loop is held up, and whose other half is gone gives up
# its locks: before the leases of its runs are over, so that they can be taken. Each statement has one good plan,
# whatever its parameters are: to make one anew takes longer than to run it.
_SETTINGS: Final = (
    "SET statement_timeout = '30s'; SET lock_timeout = '10s'; SET idle_in_transaction_session_timeout = '2s'; "
    "SET plan_cache_mode = force_generic_plan; SET ROLE dragoman_app"
)
_PING: Final = Statement("ping", "SELECT 1 FROM migrations LIMIT 1")


class PostgresLedger(
    RunVerbs, KeptVerbs, ThreadVerbs, OutboxVerbs, AssistantVerbs, CronVerbs, StoreVerbs, AdmissionVerbs, KeepingVerbs
):
    """The ledger in the database at ``url`` (``postgresql://user:password@host:port/database``), used from one event
    loop.

    ``connections`` is the most that it opens. While the database is out of reach, callers wait up to ``patience``
    seconds. With ``masters`` values are sealed, with ``blobs`` large ones are put aside; a ``keyless`` ledger is for
    what is neither.
    """

    def __init__(
        self,
        url: str,
        *,
        connections: int = 10,
        patience: float = 20.0,
        polls: float = 1.0,
        masters: MasterKeys | None = None,
        blobs: Blobs | None = None,
        keyless: bool = False,
    ) -> None:
        self._url = url
        self._masters = masters
        self._blobs = blobs
        self._sweeping: asyncio.Task[None] | None = None
        self._keyless = keyless
        self._connections = connections
        self._patience = patience
        self._keeper = Keeper(url, _configure)
        self._polls = polls
        self._opened: tuple[AsyncConnectionPool[Connection], Runner, Lanes] | None = None
        self._remembered = Remembered()
        self._days = Days()
        self._bell: Bell | None = None

    # -- life ---------------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """See ``Ledger.open``. Raises ``LedgerBusy`` when the database cannot be reached, ``MasterKeyMissing``, and
        ``Conflict`` when there are blobs and no ``blobs``, or they are another's."""
        if self._opened is not None:
            return
        await self.migrate()
        pool = AsyncConnectionPool(
            self._url,
            connection_class=Connection,
            kwargs={"autocommit": True, "connect_timeout": CONNECT_S},
            min_size=min(2, self._connections),
            max_size=self._connections,
            timeout=self._patience,
            reconnect_timeout=1.0,  # whoever waits for a connection asks for it again
            configure=_configure,
            open=False,
        )
        await pool.open()
        keys = None if self._masters is None else Keyring(self._masters)
        runner = Runner(pool, self._patience, self._told, keys, self._blobs)
        name = ""
        if not self._keyless:
            try:
                check_known(await runner.read(_masters_used), self._masters)
                if keys is not None:
                    keys.whole = await runner.read(_is_whole)
                if self._blobs is None and await runner.read(refers_to_blobs):
                    raise Conflict(BLOBS_UNNAMED)
                name = await runner.read(ledger_name)
                if self._blobs is not None:
                    await self._blobs.claim(name)
            except BaseException:
                await pool.close()
                raise
        self._bell = Bell(self._url, runner.notify)
        self._opened = pool, runner, Lanes(runner, self._remembered)
        if self._blobs is not None and name:
            self._sweeping = asyncio.create_task(sweep_on(self._blobs, name, self._unused_blobs))

    async def migrate(self) -> list[str]:
        """Apply the migrations that the database lacks; their names. Raises ``LedgerBusy``, ``Conflict``."""
        try:
            connecting = psycopg.AsyncConnection.connect(self._url, autocommit=True, connect_timeout=CONNECT_S)
            async with await connecting as connection:
                await check_roles(connection)
                return await migrate(connection)
        except psycopg.OperationalError as error:
            raise LedgerBusy(f"Cannot reach the database: {_said(error)}") from None
        except psycopg.Error as error:
            raise LedgerBusy(f"The database could not be migrated: {_said(error)}") from None

    async def close(self) -> None:
        """See ``Ledger.close``."""
        if self._opened is None:
            return
        (pool, runner, lanes), self._opened = self._opened, None
        bell, self._bell = self._bell, None
        if self._sweeping is not None:
            self._sweeping.cancel()
        await self._keeper.close()
        await asyncio.shield(asyncio.ensure_future(_close(pool, runner, lanes, bell)))

    async def ping(self) -> None:
        """See ``Ledger.ping``."""
        await self._runner.read(_ping)

    async def _unused_blobs(self, names: Sequence[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
        found: list[tuple[str, bytes]] = await self._runner.read(unused_blobs, names)
        return found

    async def turn(self, work: Callable[[PostgresTx], T]) -> T:
        """Do a piece of ``sealing/turning.py`` in a transaction."""
        return await self._runner.write(_turn, work)

    async def drop_days(self, before: int, keeping: Sequence[str] = ()) -> list[DroppedDay]:
        """Drop the events of days that were over before a time (microseconds, UTC), a day's at once; newest last.

        What must be kept longer is: all of the tenants in ``keeping``, and all of threads that a run is at work on or
        waits on, that a parent's run needs or of which somebody is still to be told. Any other log begins with the mark
        ``log.purged`` from then on, as it does when retention has taken its beginning. A day of which most is kept
        stays. Raises ``LedgerBusy`` while somebody reads events for long.
        """
        return await drop_days(self._runner, before, keeping)

    @property
    def _runner(self) -> Runner:
        if self._opened is None:
            raise LedgerBusy("The ledger is closed.")
        return self._opened[1]

    @property
    def _lanes(self) -> Lanes:
        if self._opened is None:
            raise LedgerBusy("The ledger is closed.")
        return self._opened[2]

    # -- other replicas -----------------------------------------------------------------------------------------------

    @property
    def polls(self) -> float | None:
        """See ``ReplicaLedger.polls``."""
        return self._polls

    def tell(self, threads: Iterable[tuple[str, str]]) -> None:
        """See ``ReplicaLedger.tell``."""
        if self._bell is not None:
            self._bell.ring(threads, due=False, cancelled=False)

    async def news(self) -> AsyncGenerator[News]:
        """See ``ReplicaLedger.news``."""
        if self._bell is None:
            raise LedgerBusy("The ledger is closed.")
        async with aclosing(self._bell.news()) as news:
            async for one in news:
                yield one

    def _told(self, tx: PostgresTx) -> None:
        self._remembered.keep(tx)
        if self._bell is not None and (tx.touched or tx.due):
            self._bell.ring(tx.touched, due=tx.due, cancelled=tx.cancelled)


async def _configure(connection: psycopg.AsyncConnection[Any]) -> None:
    await connection.execute(_SETTINGS)


async def _close(pool: AsyncConnectionPool[Connection], runner: Runner, lanes: Lanes, bell: Bell | None) -> None:
    runner.give_up()
    await lanes.settle()
    await runner.settle()
    if bell is not None:
        await bell.close()
    await pool.close()


def _masters_used(asking: Asking) -> list[str]:
    return [master for master, _ in asking.execute(SQL["master_keys_used"]).fetchall()]


def _is_whole(asking: Asking) -> bool:
    check_keys_are_there(asking.execute)
    return is_whole(asking.execute)


def _turn(tx: PostgresTx, work: Callable[[PostgresTx], T]) -> T:
    return work(tx)


def _ping(asking: Asking) -> None:
    asking.send(_PING, ()).fetchone()


def _said(error: psycopg.Error) -> str:
    """What the server or the network said; a password never stands in it, the host may."""
    return str(error).strip().split("\n", 1)[0] or type(error).__name__
