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
from dragoman.memory.postgres.asking import Asked
from dragoman.memory.postgres.bridge import Parts
from dragoman.memory.postgres.dialect import OWN
from dragoman.memory.postgres.member import Alone, Member, Move
from dragoman.memory.postgres.remembered import Known, Remembered
from dragoman.memory.postgres.tx import PostgresTx

__all__ = ["ALONE", "Outcome", "Wanted", "together"]

_HOLD_THREADS: Final = OWN["hold_threads"]
_HOLD_RUNS: Final = OWN["hold_runs"]
_MOVE_THREADS: Final = OWN["move_threads"]
_ORDINALS: Final = OWN["next_run_ordinals"]
_BY_KEY: Final = "run_by_idempotency_key"


@dataclass(slots=True)
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
    taken = [None if one.lease is None else remembered.take(one.lease) for one in wanted]
    _hold(tx, tenant, [known for known in taken if known is not None])
    opening = sum(one.lease is None for one in wanted)
    ordinals = tx.send(_ORDINALS, (opening,)) if opening else None
    going = [
        _Going(tx, one, known, ordinals) if known is not None or one.lease is None else None
        for one, known in zip(wanted, taken, strict=True)
    ]
    parts = Parts(one.run for one in going if one is not None)
    while parts.go_on():
        tx.exchange()
    _move(tx, tenant, [move for one in going if one is not None for move in one.member.moves])
    return [ALONE if one is None else one.outcome for one in going]


class _Going:
    """One who takes part."""

    def __init__(self, tx: PostgresTx, wanted: Wanted, known: Known | None, ordinals: Asked | None) -> None:
        self.wanted = wanted
        self.outcome = ALONE
        self.member = Member(tx, ordinals)
        if known is not None:
            key = known.row.tenant, known.row.thread_id
            self.member.running[known.row.tenant, known.row.id] = known.worker, known.row
            self.member.heads[key] = known.head
        elif wanted.key is not None:
            self.member.expect(_BY_KEY, wanted.tenant, wanted.key)

    def run(self) -> None:
        """Run the verb; it pauses where it wants an answer."""
        wanted = self.wanted
        try:
            self.outcome = Outcome(wanted.verb(self.member, *wanted.args))
        except (Alone, BlobsWanted):
            self._leave(ALONE)
        except Exception as error:
            self._leave(Outcome(error=error))
        else:
            self.member.done()

    def _leave(self, outcome: Outcome) -> None:
        if self.member.asked:
            raise Conflict("A verb has failed that had written something.")
        self.member.moves.clear()
        self.outcome = outcome


def _hold(tx: PostgresTx, tenant: str, known: Sequence[Known]) -> None:
    if not known:
        return
    rows = [one.row for one in known]
    last_seqs, checkpoints, statuses = zip(*[one.head for one in known], strict=True)
    threads = _texts([row.thread_id for row in rows])
    tx.send(_HOLD_THREADS, (tenant, threads, _numbers(last_seqs), _numbers(checkpoints), _texts(statuses)))
    runs = (
        _texts([row.id for row in rows]),
        _numbers([row.attempt for row in rows]),
        _texts([one.worker for one in known]),
        _numbers([row.cancel_requested for row in rows]),
        _numbers([row.rollback for row in rows]),
        _numbers([row.woken for row in rows]),
    )
    tx.send(_HOLD_RUNS, (tenant, *runs))


def _move(tx: PostgresTx, tenant: str, moves: Sequence[Move]) -> None:
    if moves:
        ids, last_seqs, checkpoints, statuses, *times = zip(*moves, strict=True)
        columns = _texts(ids), _numbers(last_seqs), _numbers(checkpoints), _texts(statuses), *map(_numbers, times)
        tx.send(_MOVE_THREADS, (tenant, *columns))


def _texts(values: Iterable[str]) -> str:
    """As Postgres writes an array of texts, none of which holds a NUL."""
    joined = "\x00".join(values).replace("\\", "\\\\").replace('"', '\\"').replace("\x00", '","')
    return f'{{"{joined}"}}'


def _numbers(values: Iterable[int | None]) -> str:
    """As Postgres writes an array of numbers."""
    return f"{{{','.join(map(str, values)).replace('None', 'NULL')}}}"
