"""What a verb that writes works on: a connection inside a transaction, under the locks of what it writes to.

What it asks is kept until it looks at an answer (``asking.py``): a step's commit is two exchanges, the locks and the
reads, then the writes with the COMMIT.

``execute`` and ``later`` are those of the embedded ledger's transaction. A statement that reads what a verb then
changes is preceded by the lock of its thread (``_LOCKS``), so that each verb is alone on the threads that it writes to
and sees what the last one committed. Above: ``runner.py``, which begins and ends transactions. Below: ``asking.py``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from dragoman.memory.codec import dumps
from dragoman.memory.postgres.asking import COMMIT, Asked, Asking
from dragoman.memory.postgres.dialect import OWN, Statement, several, statement
from dragoman.memory.postgres.scope import Scope
from dragoman.memory.postgres.values import shaped
from dragoman.memory.postgres.wire import Connection
from dragoman.memory.statements import SQL
from dragoman.memory.verbs.later import RowsLater
from dragoman.memory.verbs.pace import Pace
from dragoman.memory.verbs.rows import RunRow

__all__ = ["PostgresTx"]

Key = tuple[str, str]

_BEGIN: Final = Statement("begin", "BEGIN")
_RELAXED: Final = Statement("relaxed", "SET LOCAL synchronous_commit = off")
_MOST_ROWS: Final = 64

# Before which statements a thread is locked, and how: they take the same parameters, or the first of them.
_LOCKS: Final[Mapping[str, tuple[Statement, int]]] = {
    "run_state_by_id": (OWN["lock_thread_of_run"], 2),
    "thread_of_run": (OWN["lock_thread_of_run"], 2),
    "thread_by_id": (OWN["lock_thread"], 2),
    "count_all_crons": (OWN["lock_tenant"], 1),
}
# Lists of runs to be changed: their threads are locked first, and what is read then is named by its ordinals.
_LOCKED_LISTS: Final[Mapping[str, Statement]] = {
    name: OWN[f"lock_{name}"] for name in ("claimable", "runs_with_overdue_lease", "runs_with_expired_interrupt")
}
# After which a run may be due that was not before.
_STIRS: Final = frozenset({"insert_run", "change_status", "wake_run", "delete_run"})


class PostgresTx(Asking):
    """What writing verbs work on. ``heads`` and ``running`` hold what this transaction has read under its locks.

    ``proof`` is the last event that it writes (tenant, thread, number, run, time): it is there if the rest is.
    ``touched`` are the threads that it has written to, ``due`` whether a run may have become due by it and
    ``cancelled`` whether a running one was asked to cancel, for who is to be told of it when it has committed.
    """

    def __init__(self, connection: Connection, scope: Scope, pace: Pace) -> None:
        super().__init__(connection, scope)
        self.pace = pace
        self.running: dict[Key, tuple[str, RunRow]] = {}
        self.heads: dict[Key, tuple[int, int, str]] = {}
        self.touched: set[Key] = set()
        self.proof: tuple[Any, ...] | None = None
        self.due = False
        self.cancelled = False
        self.xid: Asked | None = None
        self.committing = False
        self._later: dict[str, tuple[Statement, int, list[Any]]] = {}
        self._locks: list[Asked] = []
        self._ready: dict[tuple[str, tuple[Any, ...]], Asked] = {}
        self._moved: dict[Key, Sequence[Any]] = {}
        self._opened: dict[Key, Sequence[Any]] = {}
        self._numbered: dict[Key, int] = {}  # when
        self._ordinal = 0
        self._run_ordinal: Asked | None = None

    # -- what verbs ask -----------------------------------------------------------------------------------------------
    @property
    def in_plain(self) -> bool:
        """Whether values are kept as they are, and not sealed."""
        return self.keys is None

    def _plain(self, sql: str, parameters: Any = ()) -> Any:
        """Ask a statement as it is, after the lock that it needs and the rows that wait."""
        asked = statement(sql)
        name = asked.name
        values = shaped(name, tuple(parameters))
        ready = self._ready.pop((name, values), None)
        if ready is not None:
            return ready
        self.write()
        if name == "move_thread":
            self._moved[values[3], values[4]] = values
            return None
        if name in _LOCKED_LISTS:
            return self._locked_list(asked, values)
        self.due = self.due or name in _STIRS
        self.cancelled = self.cancelled or name == "request_cancel"
        lock = _LOCKS.get(name)
        if lock is not None:
            self.lock(lock[0], *values[: lock[1]])
        return self.send(asked, values)

    def lock(self, lock: Statement, *values: Any) -> None:
        """Lock a thread, or what else is locked, with the next exchange."""
        asked = self.send(lock, values)
        if lock.name not in ("lock_tenant", "lock_names"):
            self._locks.append(asked)

    def alone(self, names: Sequence[str]) -> None:
        """Have nobody else count what is known by these names, until the transaction ends."""
        self.lock(OWN["lock_names"], dumps(sorted(names)).decode())

    def expect(self, name: str, *values: Any) -> None:
        """Ask at once what a verb is known to ask, so that it goes out with the lock before it."""
        self._ready[name, values] = self.send(OWN[name], values)

    def put(self, rows: RowsLater, values: Sequence[Any]) -> None:
        """Write a row now."""
        self.execute(rows.one, values)

    def later(self, rows: RowsLater, values: Sequence[Any]) -> None:
        """Insert a row, or several, by the next statement."""
        asked = statement(rows.one)
        if asked.name == "insert_thread":
            self._opened[values[0], values[1]] = values
            return
        if self._sealing is not None:
            values = self._sealing.rows(rows.one, values)
        if asked.name == "insert_event":
            self._numbered[values[0], values[1]] = values[-2]
            self.proof = (values[-7], values[-6], values[-5], values[-4], values[-2])
        self.keep(asked, rows.width, values)

    def keep(self, asked: Statement, width: int, values: Sequence[Any]) -> None:
        """Write rows of ``width`` values by the next statement."""
        waiting = self._later.get(asked.name)
        if waiting is None:
            self._later[asked.name] = asked, width, [*values]
        else:
            waiting[2].extend(values)

    def write(self) -> None:
        """Put the rows that wait in line."""
        later, self._later = self._later, {}
        for asked, width, values in later.values():
            at, left = 0, len(values) // width
            while left:
                size = 1 << (min(left, _MOST_ROWS).bit_length() - 1)
                self.send(several(asked, width, size), values[at : at + size * width])
                at, left = at + size * width, left - size

    def run_by_key(self, tenant: str, idempotency_key: str) -> Any:
        """The row of the run that has this key, or None. Two who take it at once meet at its index."""
        return self.execute(SQL["run_by_idempotency_key"], (tenant, idempotency_key)).fetchone()

    def next_run_ordinal(self) -> int:
        """The ordinal of a run that is inserted next. Taken under its thread's lock."""
        asked, self._run_ordinal = self._run_ordinal, None
        row = (asked or self.send(OWN["next_run_ordinal"], ())).fetchone()
        assert row is not None
        return int(row[0])

    def next_ordinal(self, now: int) -> int:
        """The time, strictly increasing within the transaction."""
        self._ordinal = max(now, self._ordinal + 1)
        return self._ordinal

    def remember_head(self, tenant: str, thread_id: str, head: tuple[int, int, str]) -> None:
        """A thread's last number, checkpoint and status, as they are from now on; its row is put in line."""
        key = tenant, thread_id
        self.heads[key] = head
        self.touched.add(key)
        numbered = self._numbered.pop(key, None)
        opened, moved = self._opened.pop(key, None), self._moved.pop(key, None)
        if opened is not None:
            self.send(OWN["insert_thread"], (*opened, head[0]))
        elif moved is not None:
            self.send(OWN["move_thread"], (*moved, head[0]))
        elif numbered is not None:
            self.send(OWN["set_last_seq"], (head[0], *key, numbered))

    # -- what the runner asks -----------------------------------------------------------------------------------------
    def begin(self, relaxed: bool) -> None:
        """Begin; ``relaxed`` is what a crash of the server may take."""
        self.in_transaction = True
        self.send(_BEGIN, ())
        if relaxed:
            self.send(_RELAXED, ())

    def expect_run_ordinal(self) -> None:
        """Take an ordinal with the first exchange."""
        self._run_ordinal = self.send(OWN["next_run_ordinal"], ())

    def commit(self) -> None:
        """Write what waits, and commit."""
        self.write()
        self.send(COMMIT, ())
        self.committing = True
        self.exchange()
        self.in_transaction = False

    def exchange(self) -> None:
        """As ``Asking.exchange``; what was locked is known from then on. The transaction's id, which goes with the
        first exchange before the COMMIT, tells what became of it when a connection is lost in that one."""
        if self._kept and self.xid is None and not self.committing:
            self.xid = self.send(OWN["transaction_id"], ())
        locks, self._locks = self._locks, []
        super().exchange()
        for asked in locks:
            for last_seq, checkpoint, status, *key in asked.fetchall():
                self.heads.setdefault((key[0], key[1]), (last_seq, checkpoint, status))

    def _locked_list(self, asked: Statement, values: tuple[Any, ...]) -> Asked:
        locked = self.send(_LOCKED_LISTS[asked.name], values)
        ordinals: list[int] = []
        for ordinal, last_seq, checkpoint, status, tenant, thread_id in locked.fetchall():
            ordinals.append(ordinal)
            self.heads.setdefault((tenant, thread_id), (last_seq, checkpoint, status))
        return self.send(asked, (*values[:-1], f"{{{','.join(map(str, ordinals))}}}"))
