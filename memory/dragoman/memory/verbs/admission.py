"""The verbs of who drives what: ``announce``, ``withdraw``, ``waits``, ``undriven``."""

from __future__ import annotations

import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Sequence

from dragoman.memory.admission import Kinds, Undriven, drives, kind_of
from dragoman.memory.codec import dumps
from dragoman.memory.ids import now_micros
from dragoman.memory.statements import SQL
from dragoman.memory.verbs.rows import load
from dragoman.memory.verbs.through import Through
from dragoman.memory.verbs.tx import Tx

__all__ = ["AdmissionVerbs"]

_KINDS = SQL["due_kinds"]
_COUNT = SQL["count_due_of_kind"]
_ANNOUNCE = SQL["announce_worker"]
_WITHDRAW = SQL["withdraw_worker"]
_DROP = SQL["drop_silent_workers"]
_LIVE = SQL["live_workers"]
_MOST_COUNTED = 1000


class AdmissionVerbs(ABC):
    """See ``AdmissionLedger``."""

    @property
    @abstractmethod
    def _runner(self) -> Through: ...

    async def announce(self, worker: str, kinds: Kinds, ttl_s: float) -> None:
        """See ``AdmissionLedger.announce``."""
        await self._runner.relaxed(_announce, worker, kinds, ttl_s)

    async def withdraw(self, worker: str) -> None:
        """See ``AdmissionLedger.withdraw``."""
        await self._runner.relaxed(_withdraw, worker)

    async def waits(self, kinds: Kinds) -> tuple[bool, bool]:
        """See ``AdmissionLedger.waits``."""
        return await self._runner.look(_waits, kinds)

    async def undriven(self, kinds: Kinds) -> Sequence[Undriven]:
        """See ``AdmissionLedger.undriven``."""
        return await self._runner.look(_undriven, kinds)


def _announce(tx: Tx, worker: str, kinds: Kinds, ttl_s: float) -> None:
    now = now_micros()
    tx.execute(_DROP, (now,))
    tx.execute(_ANNOUNCE, (worker, now + int(ttl_s * 1e6), dumps({name: list(kinds[name]) for name in kinds}), now))


def _withdraw(tx: Tx, worker: str) -> None:
    tx.execute(_WITHDRAW, (worker,))


def _waits(db: sqlite3.Connection, kinds: Kinds) -> tuple[bool, bool]:
    rows = db.execute(_KINDS, (0,)), db.execute(_KINDS, (1,))
    ready, blocked = (any(drives(kinds, *kind_of(kind)) for (kind,) in found.fetchall()) for found in rows)
    return ready, blocked


def _undriven(db: sqlite3.Connection, kinds: Kinds) -> list[Undriven]:
    rows = db.execute(_KINDS, (0,)), db.execute(_KINDS, (1,))
    strange = {kind for found in rows for (kind,) in found.fetchall() if not drives(kinds, *kind_of(kind))}
    if not strange:
        return []
    elsewhere: list[Kinds] = [load(told) for (told,) in db.execute(_LIVE, (now_micros(),)).fetchall()]
    found: list[Undriven] = []
    for kind in sorted(strange):
        if any(drives(other, *kind_of(kind)) for other in elsewhere):
            continue
        count, since = db.execute(_COUNT, (kind, _MOST_COUNTED)).fetchone()
        if count:  # it may have been taken meanwhile
            found.append(Undriven(*kind_of(kind), count, since))
    return found
