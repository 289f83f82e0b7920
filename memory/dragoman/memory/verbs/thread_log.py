"""A thread within a transaction: what a verb appends to its log, and what becomes of its status and values.

A verb opens the thread's head, adds events and values, and flushes once: the numbers are taken and the events
written, and the thread's row where it has changed. There is one writer, so that the head which is read here cannot
have moved when the events are written; that is what makes the numbers gapless. Knows runs only as the owners of events.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import orjson

from dragoman.memory.model import Event, Json, RunStatus, ThreadStatus
from dragoman.memory.statements import SQL
from dragoman.memory.verbs import facets, history, value_index
from dragoman.memory.verbs.later import RowsLater
from dragoman.memory.verbs.rows import dump_mapping, make_event
from dragoman.memory.verbs.tx import Tx

__all__ = ["ThreadLog", "merged"]

_HEAD = SQL["thread_head"]
_INSERT = RowsLater(SQL["insert_thread"])
_MOVE = RowsLater(SQL["move_thread"])
_INSERT_EVENT = RowsLater(SQL["insert_event"])
_INSERT_CHECKPOINT = RowsLater(SQL["insert_checkpoint"])
_DESCRIBE_CHECKPOINT = SQL["describe_checkpoint"]
_OTHERS = SQL["other_active_statuses"]
_LAST_ENDED = SQL["last_ended_status"]

_EMPTY = b"{}"
_BUSY = frozenset({"queued", "running"})


class ThreadLog:
    """The head of one thread and the events that a verb adds to it."""

    __slots__ = (
        "_before",
        "_events",
        "_newest",
        "_stored",
        "_tx",
        "checkpoint",
        "has_queued",
        "id",
        "last_seq",
        "status",
        "tenant",
    )

    def __init__(
        self, tx: Tx, tenant: str, id: str, last_seq: int = 0, checkpoint: int = 0, status: str = ThreadStatus.IDLE
    ) -> None:
        self._tx = tx
        self._events: list[tuple[str, str, bytes]] = []
        self.tenant = tenant
        self.id = id
        self.last_seq = last_seq
        self.checkpoint = checkpoint
        self.status = status
        self.has_queued = False
        self._stored = (checkpoint, status)
        self._newest: history.Kept | None = None
        self._before: Mapping[str, Json] | None = None  # the values, when they have been saved anew

    @classmethod
    def find(cls, tx: Tx, tenant: str, id: str) -> ThreadLog | None:
        """The thread with this id, or None."""
        head = _head(tx, tenant, id)
        return None if head is None else cls(tx, tenant, id, *head)

    @classmethod
    def of_run(cls, tx: Tx, tenant: str, id: str) -> ThreadLog:
        """The thread of a run; a run's thread is there as long as the run is."""
        head = _head(tx, tenant, id)
        assert head is not None
        return cls(tx, tenant, id, *head)

    @property
    def next_seq(self) -> int:
        """The number that the next event will have."""
        return self.last_seq + len(self._events) + 1

    def add(self, run_id: str, type: str, data: Mapping[str, Json]) -> None:
        """Append an event when the log is flushed."""
        self._events.append((run_id, type, dump_mapping(data)))

    def values(self) -> dict[str, Json]:
        """The thread's values as of its checkpoint."""
        if not self.checkpoint:
            return {}
        if self._newest is None:
            self._newest = history.newest(self._tx.execute, self.tenant, self.id, self.checkpoint)
        return self._newest.values

    def values_at(self, number: int) -> dict[str, Json]:
        """The values of one checkpoint; empty for 0."""
        if number == self.checkpoint:
            return self.values()
        return history.values_at(self._tx.execute, self.tenant, self.id, number) if number else {}

    def has_checkpoint(self, number: int) -> bool:
        """Whether a checkpoint is there."""
        return history.has(self._tx.execute, self.tenant, self.id, number)

    def save_values(
        self,
        values: Mapping[str, Json],
        now: int,
        run_id: str | None,
        step: str | None = None,
        *,
        parent: int | None = None,
        metadata: Mapping[str, Json] | None = None,
    ) -> None:
        """Make a checkpoint of these values, the thread's next. ``parent`` is the one that they were made of, where
        that is not the newest; ``metadata`` is told of it."""
        old = self.checkpoint
        known = self.values()
        if self._before is None:
            self._before = known
        if old and not history.stays_whole(old):
            assert self._newest is not None
            history.shrink(self._tx.execute, self.tenant, self.id, old, self._newest, values)
        self.checkpoint = old + 1
        content = dump_mapping(values) if values else _EMPTY
        self._tx.later(_INSERT_CHECKPOINT, (self.tenant, self.id, self.checkpoint, run_id, step, now, content))
        if metadata or (parent is not None and parent != old):
            told = dump_mapping(metadata) if metadata else None
            self._tx.execute(_DESCRIBE_CHECKPOINT, (parent, told, self.tenant, self.id, self.checkpoint))
        self._newest = history.Kept(dict(values), len(content))

    def settle_status(self, run_status: str, ordinal: int, *, alone: bool = False) -> None:
        """The thread's status when one of its runs (``ordinal``) is now ``run_status`` and the others are as stored, or
        none of them is active (``alone``); ``has_queued`` is whether one of the others is queued."""
        found: set[str] = set()
        if not alone:
            found = {status for (status,) in self._tx.execute(_OTHERS, (self.tenant, self.id, ordinal))}
        self.has_queued = RunStatus.QUEUED in found
        found.add(run_status)
        if found & _BUSY:
            self.status = ThreadStatus.BUSY
        elif RunStatus.WAITING in found:
            self.status = ThreadStatus.INTERRUPTED
        else:
            self.status = ThreadStatus.ERROR if run_status == RunStatus.FAILED else ThreadStatus.IDLE

    def settle_status_without(self, ordinal: int) -> None:
        """The thread's status when a run has been forgotten."""
        row = self._tx.execute(_LAST_ENDED, (self.tenant, self.id)).fetchone()
        self.settle_status(row[0] if row else RunStatus.SUCCEEDED, ordinal)

    def flush(
        self, now: int, *, insert: Mapping[str, Json] | None = None, values: Mapping[str, Json] | None = None
    ) -> tuple[Event, ...]:
        """Number and write the added events, and the thread's row where it has changed; ``insert`` makes it, with that
        metadata, and ``values`` where it has been given none."""
        events = self._write_events(now)
        # A status by its plain text: the driver looks for an adapter of any class but str itself, for a microsecond.
        tx, status = self._tx, str(self.status)
        if insert is not None:
            metadata, ordinal = dump_mapping(insert), tx.next_ordinal(now)
            if insert:
                facets.add(tx, self.tenant, "thread", insert, ordinal, self.id)
            if (has := values if self._newest is None else self._newest.values) is not None:
                value_index.add_values(tx, self.tenant, self.id, has, ordinal)
            tx.later(_INSERT, (self.tenant, self.id, ordinal, status, now, now, self.checkpoint, metadata))
        elif self._stored != (self.checkpoint, self.status):
            tx.put(_MOVE, (self.checkpoint, status, now, self.tenant, self.id))
            if self._before is not None and self._newest is not None:
                value_index.move_values(tx, self.tenant, self.id, self._before, self._newest.values)
                self._before = None
        tx.remember_head(self.tenant, self.id, (self.last_seq, self.checkpoint, status))
        return events

    def _write_events(self, now: int) -> tuple[Event, ...]:
        added, self._events = self._events, []
        tenant, thread, seq = self.tenant, self.id, self.last_seq
        events: list[Event] = []
        values: list[object] = []
        for run_id, type_, data in added:
            seq += 1
            values += (tenant, thread, seq, run_id, type_, now, data)
            # Read back from what is written, so that what is shown live is what a replay will show.
            events.append(make_event(thread, run_id, seq, type_, orjson.loads(data), now))
        if values:
            self._tx.later(_INSERT_EVENT, values)
        self.last_seq = seq
        return tuple(events)


def _head(tx: Tx, tenant: str, id: str) -> tuple[int, int, str] | None:
    """Last number, checkpoint, status."""
    known = tx.heads.get((tenant, id))
    if known is not None:
        return known
    found: tuple[int, int, str] | None = tx.execute(_HEAD, (tenant, id)).fetchone()
    return found


def merged(
    old: Mapping[str, Json], values: Mapping[str, Json] | None, messages: Sequence[Mapping[str, Json]] = ()
) -> dict[str, Json]:
    """Values with new ones merged in key by key, None deleting a key, and messages appended to ``messages``."""
    new = dict(old)
    for key, value in (values or {}).items():
        if value is None:
            new.pop(key, None)
        else:
            new[key] = value
    if messages:
        known: Json = new.get("messages")
        new["messages"] = [*(known if type(known) is list else ()), *messages]
    return new
