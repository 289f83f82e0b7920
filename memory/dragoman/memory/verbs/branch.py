"""A run that begins from an older checkpoint of its thread: the thread's values are those again when it begins.

What was made since stays in the history, beside the new branch. Below: the thread's log. Above: ``submit`` and
``claim``, which begin runs.
"""

from __future__ import annotations

from dragoman.memory.model import Json
from dragoman.memory.setup import setup_of
from dragoman.memory.statements import SQL
from dragoman.memory.verbs.rows import RunRow, load
from dragoman.memory.verbs.thread_log import ThreadLog
from dragoman.memory.verbs.tx import Tx

__all__ = ["begin", "return_to"]

_SET_BASE = SQL["set_base_checkpoint"]


def begin(tx: Tx, row: RunRow, log: ThreadLog, now: int) -> None:
    """Take a run that begins to its checkpoint. One that is gone is the newest: the thread was pruned meanwhile."""
    wanted = setup_of(load(row.setup)).from_checkpoint
    if wanted is None or wanted == log.checkpoint or not log.has_checkpoint(wanted):
        return
    metadata: dict[str, Json] = {"source": "fork"}
    return_to(log, row.id, wanted, now, metadata)
    row.base_checkpoint = log.checkpoint
    row.made = None
    tx.execute(_SET_BASE, (row.base_checkpoint, row.ordinal))


def return_to(log: ThreadLog, run_id: str, number: int, now: int, metadata: dict[str, Json] | None = None) -> None:
    """Give a thread the values of an older checkpoint, as its newest."""
    new, old = log.values(), log.values_at(number)
    changed = {key: old.get(key) for key in {**old, **new} if old.get(key) != new.get(key)}
    log.save_values(old, now, run_id, parent=number, metadata=metadata)
    told: dict[str, Json] = {"values": changed, "checkpoint": log.checkpoint, "parent": number}
    log.add(run_id, "values", {**told, "source": metadata["source"]} if metadata else told)
