"""What this process has last written of its running runs: the run's row and the head of its thread.

A hint, never the truth: another replica may have written since. Who goes by it has the database check it under the
thread's lock (``hold_threads`` and ``hold_runs`` in ``queries/postgres``) before anything is written by it. Above:
``together.py``. Below: nothing.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from dragoman.memory.ledger import Lease
from dragoman.memory.postgres.tx import PostgresTx
from dragoman.memory.verbs.rows import RunRow

__all__ = ["Known", "Remembered"]

_MOST: Final = 10_000


class Known(NamedTuple):
    """A running run under a worker's lease, and its thread's last number, checkpoint and status."""

    worker: str
    row: RunRow
    head: tuple[int, int, str]


class Remembered:
    """Runs by tenant and id; the one that was written longest ago is forgotten first."""

    def __init__(self) -> None:
        self._runs: dict[tuple[str, str], Known] = {}

    def take(self, lease: Lease) -> Known | None:
        """What is remembered of a run under just this lease, and no more from now on: it is about to change."""
        known = self._runs.pop((lease.tenant, lease.run_id), None)
        if known is None or (known.worker, known.row.attempt) != (lease.worker, lease.attempt):
            return None
        return known

    def keep(self, tx: PostgresTx) -> None:
        """Remember what a transaction has committed."""
        for key, (worker, row) in tx.running.items():
            head = tx.heads.get((row.tenant, row.thread_id))
            if head is not None:
                self._runs.pop(key, None)
                self._runs[key] = Known(worker, row, head)
        while len(self._runs) > _MOST:
            del self._runs[next(iter(self._runs))]
