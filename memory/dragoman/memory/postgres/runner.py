"""Verbs in transactions: begun, committed, and tried again where that is safe.

A verb reads under its locks and has no effect but through its transaction, so that it may be run anew: after a
deadlock, a race for a key, or a connection that was lost before the COMMIT. When it was lost in the COMMIT, the
transaction's id tells what became of it. While the database is away, callers wait up to ``patience`` seconds and are
then told ``LedgerBusy``; what a running run writes waits for as long as it takes, for its fence tells then whether the
run is still its own.

A caller that goes away changes nothing: its verb runs all the same. Above: ``ledger.py``, which names the verbs.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Final, TypeVar, TypeVarTuple
from weakref import WeakKeyDictionary

from psycopg.pq import TransactionStatus
from psycopg_pool import AsyncConnectionPool, PoolClosed, PoolTimeout

from dragoman.memory.blobs.aside import Blobs
from dragoman.memory.errors import Conflict, DragomanError, InputInvalid, LedgerBusy, as_unkeepable
from dragoman.memory.postgres.asking import Asking
from dragoman.memory.postgres.bridge import spawn
from dragoman.memory.postgres.dialect import OWN, Statement
from dragoman.memory.postgres.scope import scope_of
from dragoman.memory.postgres.tx import PostgresTx
from dragoman.memory.postgres.wire import Connection, Failed, Lost, Silent
from dragoman.memory.sealing.data_keys import Keyring
from dragoman.memory.verbs.pace import Pace

__all__ = ["Expect", "Runner"]

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
Expect = Callable[[PostgresTx], None]

# Serialization failures and deadlocks: another try sees what the other one did.
_RACES: Final = frozenset({"40001", "40P01"})
_UNIQUE: Final = "23505"
_REFUSED: Final = frozenset({"DR001", "21000"})
# The server is going or coming, or a standby since a moment; of the classes, it cannot be reached (08), lacks disk,
# memory or connections (53), or cannot read and write (58).
_AWAY: Final = frozenset({"57P01", "57P02", "57P03", "57P05", "25P03", "25006"})
_AWAY_CLASSES: Final = ("08", "53", "58")
# A hint, of what is on disk already: not waited for until it is too.
_NOTIFY: Final = Statement("notify", "SELECT set_config('synchronous_commit', 'off', true), pg_notify($1, $2)")
_LIFE: Final = OWN["life_of_server"]
_MOST_RACES: Final = 20
_SHARERS: Final = 8  # replicas that may fill a queue together before they meet its limit
_PAUSE: Final = 0.05
# The pool is asked again so often, for it tries to connect when it is asked.
_ASK_AGAIN: Final = 1.0
# Seconds without an answer after which a connection is given up; longer than a statement waits for a lock.
_SILENCE: Final = 12.0


class _Again(Exception):
    """Try again after a pause; ``reason`` is told when time is over."""


class Runner:
    """Runs verbs on a pool's connections, from one event loop. ``told`` hears of what was committed. With ``keys``
    values are sealed, with ``blobs`` large ones are put aside."""

    def __init__(
        self,
        pool: AsyncConnectionPool[Connection],
        patience: float,
        told: Callable[[PostgresTx], None],
        keys: Keyring | None = None,
        blobs: Blobs | None = None,
    ) -> None:
        self._pool = pool
        self._keys = keys
        self._blobs = blobs
        self.patience = patience
        self._told = told
        self._pace = Pace(_SHARERS)
        self._lives: WeakKeyDictionary[Connection, str] = WeakKeyDictionary()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closing = False

    async def write(
        self,
        verb: Callable[[Any, *Ts], T],
        /,
        *args: *Ts,
        expect: Expect | None = None,
        relaxed: bool = False,
        patience: float | None = None,
        silence: float | None = None,
    ) -> T:
        """Run a verb in a transaction that is on disk when this returns; a ``relaxed`` one may be taken by a crash of
        the database's server. ``patience`` is in seconds where it is another than the runner's, ``silence`` how long an
        answer is waited for. Raises what the verb raises; ``LedgerBusy``."""
        deadline = asyncio.get_running_loop().time() + (self.patience if patience is None else patience)
        silence = _SILENCE if silence is None else silence
        return await self._apart(self._persist(deadline, self._write, deadline, silence, verb, args, expect, relaxed))

    async def write_here(
        self, verb: Callable[[Any, *Ts], T], /, *args: *Ts, expect: Expect | None = None, patience: float | None = None
    ) -> T:
        """``write`` within the caller's task, which nobody cancels."""
        deadline = asyncio.get_running_loop().time() + (self.patience if patience is None else patience)
        return await self._persist(deadline, self._write, deadline, _SILENCE, verb, args, expect, False)

    async def relaxed(self, verb: Callable[[Any, *Ts], T], /, *args: *Ts, expect: Expect | None = None) -> T:
        """``write`` what a crash of the database's server may take."""
        return await self.write(verb, *args, expect=expect, relaxed=True)

    async def read(self, verb: Callable[[Any, *Ts], T], /, *args: *Ts) -> T:
        """Run a verb that reads."""
        deadline = asyncio.get_running_loop().time() + self.patience
        return await self._apart(self._persist(deadline, self._read, verb, args))

    async def look(self, verb: Callable[[Any, *Ts], T], /, *args: *Ts) -> T:
        """As ``read``: all reads are exchanges here."""
        return await self.read(verb, *args)

    async def notify(self, channel: str, payload: str) -> None:
        """Tell who listens."""
        await self.read(_notify, channel, payload)

    async def settle(self) -> None:
        """Wait for what is under way."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def give_up(self) -> None:
        """Wait no more for a database that is away."""
        self._closing = True

    async def _apart(self, work: Coroutine[Any, Any, T]) -> T:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return await asyncio.shield(task)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # its caller may have gone

    async def _persist(self, deadline: float, attempt: Callable[[*Ts], Coroutine[Any, Any, T]], *args: *Ts) -> T:
        loop = asyncio.get_running_loop()
        races = 0
        while True:
            try:
                if self._blobs is None:
                    return await attempt(*args)
                return await self._blobs.served(partial(attempt, *args), self._make_key)
            except Failed as error:
                races += 1
                if error.state not in _RACES and error.state != _UNIQUE:
                    raise _translated(error) from None
                if races > (2 if error.state == _UNIQUE else _MOST_RACES):
                    raise _translated(error) from None
                pause = random.uniform(0, 0.002 * races)
            except _Again as error:
                if loop.time() >= deadline or self._closing:
                    raise LedgerBusy(f"The database is out of reach: {error}") from None
                pause = random.uniform(_PAUSE / 2, _PAUSE)
            await asyncio.sleep(pause)

    async def _make_key(self, tenant: str) -> None:
        await self.write(_make_key, tenant)

    async def _connection(self, silence: float) -> Connection:
        try:
            connection = await self._pool.getconn(_ASK_AGAIN)
        except PoolTimeout:
            raise _Again("there is no connection to it, or none is left for this") from None
        except PoolClosed:
            raise LedgerBusy("The ledger is closed.") from None
        connection.silence = silence
        return connection

    async def _life(self, connection: Connection) -> str:
        """Which life of the server a connection is of; asked once, for no connection outlives it."""
        life = self._lives.get(connection)
        if life is None:
            [answer] = await connection.exchange([(_LIFE.text, ())])
            life = self._lives[connection] = str(answer.rows[0][0])
        return life

    async def _lost(self, error: Lost) -> None:
        if isinstance(error, Silent):
            await self._pool.drain()

    async def _write(
        self,
        deadline: float,
        silence: float,
        verb: Callable[..., T],
        args: tuple[Any, ...],
        expect: Expect | None,
        relaxed: bool,
    ) -> T:
        connection = await self._connection(silence)
        tx = PostgresTx(connection, scope_of(verb, args), self._pace)
        if self._keys is not None or self._blobs is not None:
            tx.seal_with(None if self._keys is None else self._keys.within(), self._blobs)
        result: list[T] = []
        lost = life = ""
        try:
            life = await self._life(connection)
            await spawn(_written, tx, verb, args, expect, relaxed, result)
        except Lost as error:
            lost = str(error)
            await self._lost(error)
        except BaseException as error:
            await _undo(connection)
            raise _as_told(error) from None
        finally:
            await self._pool.putconn(connection)
        # Asked without the lost connection: if all had their own in hand, there would be none to ask with.
        if lost and not (tx.committing and await self._was_committed(tx, life, deadline)):
            raise _Again(lost)
        if tx.keys is not None:
            tx.keys.keep()
        self._told(tx)
        return result[0]

    async def _was_committed(self, tx: PostgresTx, life: str, deadline: float) -> bool:
        """Whether a transaction whose COMMIT was not answered is on disk; ``life`` is the server's then. Raises
        ``LedgerBusy`` where nothing tells."""
        if tx.xid is None:  # all of it went out at once
            return tx.proof is not None and await self._is_proven_at_rest(tx.proof, deadline)
        row = tx.xid.fetchone()
        while row is not None:
            try:
                [(status, now)] = await self._persist(deadline, self._read, _transaction_status, (row[0],))
            except InputInvalid:  # an id that is yet to be given out: the server crashed before it kept anything of it
                return False
            if status != "in progress":
                # A server that crashed may have given the id to another one since.
                if status == "committed" and now != life and tx.proof is None:
                    raise LedgerBusy("The database has crashed; it is not known whether this was written.")
                return bool(status == "committed") and await self._is_proven(tx, deadline)
            await asyncio.sleep(_PAUSE)
        return False

    async def _is_proven(self, tx: PostgresTx, deadline: float) -> bool:
        return tx.proof is None or len(await self._persist(deadline, self._read, _proof, tx.proof)) > 0

    async def _is_proven_at_rest(self, proof: tuple[Any, ...], deadline: float) -> bool:
        """The same of a transaction without an id, which may be under way still: who locks its thread comes after it.
        One that has not begun by then is refused, for it has checked the thread's head."""
        write = self._persist(deadline, self._write, deadline, _SILENCE, _proof_at_rest, proof, None, True)
        return len(await write) > 0

    async def _read(self, verb: Callable[..., T], args: tuple[Any, ...]) -> T:
        connection = await self._connection(_SILENCE)
        asking = Asking(connection, scope_of(verb, args))
        if self._keys is not None or self._blobs is not None:
            asking.seal_with(self._keys, self._blobs)
        try:
            return await spawn(_read, asking, verb, args)
        except Lost as error:
            await self._lost(error)
            raise _Again(str(error)) from None
        except BaseException as error:
            if connection.pgconn.transaction_status != TransactionStatus.IDLE:  # its end may be kept and not sent
                await _undo(connection)
            raise _as_told(error) from None
        finally:
            await self._pool.putconn(connection)


def _written(
    tx: PostgresTx, verb: Callable[..., T], args: tuple[Any, ...], expect: Expect | None, relaxed: bool, result: list[T]
) -> None:
    tx.begin(relaxed)
    if expect is not None:
        expect(tx)
    result.append(verb(tx, *args))
    tx.commit()


def _read(asking: Asking, verb: Callable[..., T], args: tuple[Any, ...]) -> T:
    value = verb(asking, *args)
    asking.finish()
    return value


def _make_key(tx: PostgresTx, tenant: str) -> None:
    tx.make_key(tenant)


def _proof_at_rest(
    tx: PostgresTx, tenant: str, thread_id: str, seq: int, run_id: str, at: int
) -> list[tuple[Any, ...]]:
    tx.send(OWN["lock_thread"], (tenant, thread_id))
    return tx.send(OWN["event_is_there"], (tenant, thread_id, seq, run_id, at)).fetchall()


def _proof(asking: Asking, tenant: str, thread_id: str, seq: int, run_id: str, at: int) -> list[tuple[Any, ...]]:
    return asking.send(OWN["event_is_there"], (tenant, thread_id, seq, run_id, at)).fetchall()


def _notify(asking: Asking, channel: str, payload: str) -> None:
    asking.send(_NOTIFY, (channel, payload))


def _transaction_status(asking: Asking, xid: str) -> list[tuple[Any, ...]]:
    return asking.send(OWN["transaction_status"], (xid,)).fetchall()


async def _undo(connection: Connection) -> None:
    try:
        await connection.exchange([("ROLLBACK", ())])
    except (Lost, Failed):
        await connection.close()


def _as_told(error: BaseException) -> BaseException:
    """What ends an attempt, in the words of ``_persist``."""
    if isinstance(error, Failed):
        return _Again(str(error)) if error.state in _AWAY or error.state.startswith(_AWAY_CLASSES) else error
    return error if isinstance(error, _Again) else as_unkeepable(error)


def _translated(error: Failed) -> DragomanError:
    if error.state in _REFUSED:
        return Conflict(f"A step is final already: {error}.")
    if error.state == _UNIQUE:
        return Conflict("A row with this id exists already.")
    if error.state.startswith("22") or error.state == "54000":
        return InputInvalid("A value is larger than the ledger can hold, or holds what Postgres cannot keep.")
    return LedgerBusy(f"The ledger cannot take this now: {error}")
