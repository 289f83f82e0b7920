"""Several verbs in one transaction, for one tenant: locked and checked at once, asked side by side, committed at once.

Who takes part needs no lock but those of the runs that this process remembers (``remembered.py``), which the database
checks before anything is written by them. Who needs more is ``ALONE``, and his verb is run in a transaction of its own.
One text of the rules: the verbs are those that run alone. Above: ``lanes.py``, which says who goes together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from dragoman.memory.blobs.aside import BlobsWanted
from dragoman.memory.errors import Conflict
from dragoman.memory.ledger import Lease
from dragoman.memory.postgres.bridge import Part
from dragoman.memory.postgres.dialect import OWN
from dragoman.memory.postgres.member import Alone, Member, Move
from dragoman.memory.postgres.remembered import Known, Remembered
from dragoman.memory.postgres.tx import Asked, PostgresTx

__all__ = ["ALONE", "Outcome", "Wanted", "together"]

_HOLD_THREADS: Final = OWN["hold_threads"]
_HOLD_RUNS: Final = OWN["hold_runs"]
_MOVE_THREADS: Final = OWN["move_threads"]
_ORDINALS: Final = OWN["next_run_ordinals"]
_BY_KEY: Final = "run_by_idempotency_key"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A verb that may share a transaction. It writes to the run of ``lease``, or opens a thread with one run, which may
    have a ``key``."""

    tenant: str
    verb: Callable[..., Any]
    args: tuple[Any, ...]
    lease: Lease | None = None
    key: str | None = None


class Outcome:
    """What became of a verb: its result, or what it raised."""

    __slots__ = ("error", "result")

    def __init__(self, result: Any = None, error: BaseException | None = None) -> None:
        self.result = result
        self.error = error


ALONE: Final = Outcome()
"""The verb has not been run, or without any effect."""


def together(tx: PostgresTx, tenant: str, remembered: Remembered, wanted: Sequence[Wanted]) -> list[Outcome]:
    """What became of each; all are of this tenant. Raises ``Conflict`` where the database refuses what one of them is
    about: none has any effect then."""
    taking = [(one, None if one.lease is None else remembered.take(one.lease)) for one in wanted]
    going = [(one, known) for one, known in taking if known is not None or one.lease is None]
    _hold(tx, tenant, [known for _, known in going if known is not None])
    opening = sum(one.lease is None for one, _ in going)
    ordinals = tx.send(_ORDINALS, (opening,)) if opening else None
    members = {id(one): _Going(tx, one, known, ordinals) for one, known in going}
    _run(tx, list(members.values()))
    _move(tx, tenant, [move for one in members.values() for move in one.member.moves])
    return [member.outcome if (member := members.get(id(one))) else ALONE for one in wanted]


class _Going:
    """One who takes part."""

    def __init__(self, tx: PostgresTx, wanted: Wanted, known: Known | None, ordinals: Asked | None) -> None:
        self.wanted = wanted
        self.outcome = ALONE
        self.member = Member(tx, ordinals)
        self._part = Part(wanted.verb, self.member, *wanted.args)
        if known is not None:
            key = known.row.tenant, known.row.thread_id
            self.member.running[known.row.tenant, known.row.id] = known.worker, known.row
            self.member.heads[key] = known.head
        elif wanted.key is not None:
            self.member.expect(_BY_KEY, wanted.tenant, wanted.key)

    def goes_on(self) -> bool:
        """Let the verb go on until it wants an answer; whether it does."""
        try:
            if self._part.goes_on():
                return True
        except (Alone, BlobsWanted):
            self._leave(ALONE)
        except Exception as error:
            self._leave(Outcome(error=error))
        else:
            self.outcome = Outcome(self._part.result)
            self.member.done()
        return False

    def _leave(self, outcome: Outcome) -> None:
        if self.member.asked:
            raise Conflict("A verb has failed that had written something.")
        self.member.moves.clear()
        self.outcome = outcome


def _run(tx: PostgresTx, going: list[_Going]) -> None:
    while going := [one for one in going if one.goes_on()]:
        tx.exchange()


def _hold(tx: PostgresTx, tenant: str, known: Sequence[Known]) -> None:
    if not known:
        return
    rows, heads = [one.row for one in known], [one.head for one in known]
    threads = _array(row.thread_id for row in rows)
    tx.send(_HOLD_THREADS, (tenant, threads, *(_array(column) for column in zip(*heads, strict=True))))
    runs = [
        (r.id, r.attempt, one.worker, r.cancel_requested, r.rollback, r.woken)
        for one, r in zip(known, rows, strict=True)
    ]
    tx.send(_HOLD_RUNS, (tenant, *(_array(column) for column in zip(*runs, strict=True))))


def _move(tx: PostgresTx, tenant: str, moves: Sequence[Move]) -> None:
    if moves:
        tx.send(_MOVE_THREADS, (tenant, *(_array(column) for column in zip(*moves, strict=True))))


def _array(values: Iterable[str | int | None]) -> str:
    """As Postgres writes an array."""
    return f"{{{','.join(map(_element, values))}}}"


def _element(value: str | int | None) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, int):
        return str(value)
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
