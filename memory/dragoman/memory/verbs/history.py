"""How the checkpoints of a thread are kept: the newest whole, the older ones as what differs from the next.

The newest is what runs and lists read, and they read it as it is. A checkpoint that is no longer the newest becomes a
difference from its successor, for the messages that were appended since a few bytes; every 64th stays whole, so that
any checkpoint is read from at most 64 rows. A small one is left whole: there is little to win. Content that begins with
``[`` is a difference (``delta.py``), values are an object.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

import orjson

from dragoman.memory.codec import dumps
from dragoman.memory.delta import applied, difference
from dragoman.memory.model import Checkpoint, Json
from dragoman.memory.statements import SQL
from dragoman.memory.verbs.rows import Row, checkpoint_of

__all__ = ["Kept", "has", "newest", "read_before", "shrink", "stays_whole", "values_at"]

Execute = Callable[..., sqlite3.Cursor]

_CONTENTS = SQL["contents_from"]
_EXISTS = SQL["checkpoint_exists"]
_SHRINK = SQL["shrink_checkpoint"]
_BEFORE = SQL["checkpoints_before"]
_WHOLE_EVERY: Final = 64
_SMALL: Final = 1024  # bytes
_DIFFERENCE: Final = ord("[")


class Kept(NamedTuple):
    """A thread's newest values, and the bytes that they take."""

    values: dict[str, Json]
    size: int


def stays_whole(number: int) -> bool:
    """Whether a checkpoint is kept whole when it is no longer the newest."""
    return number % _WHOLE_EVERY == 0


def newest(execute: Execute, tenant: str, thread_id: str, number: int) -> Kept:
    """The newest checkpoint's values; it is whole."""
    content, _ = execute(_CONTENTS, (tenant, thread_id, number)).fetchone()
    return Kept(orjson.loads(content), len(content))


def has(execute: Execute, tenant: str, thread_id: str, number: int) -> bool:
    """Whether a checkpoint is there."""
    return execute(_EXISTS, (tenant, thread_id, number)).fetchone() is not None


def values_at(execute: Execute, tenant: str, thread_id: str, number: int) -> dict[str, Json]:
    """The values of any checkpoint; empty where there is no such one."""
    later: list[bytes] = []
    for content, _ in execute(_CONTENTS, (tenant, thread_id, number)):
        if content[0] != _DIFFERENCE:
            values: dict[str, Json] = orjson.loads(content)
            for delta in reversed(later):
                values = applied(values, orjson.loads(delta))
            return values
        later.append(content)
    return {}


def shrink(
    execute: Execute, tenant: str, thread_id: str, number: int, kept: Kept, successor: Mapping[str, Json]
) -> None:
    """Keep a checkpoint as what differs from its successor, where that is at most half as long."""
    if kept.size < _SMALL:
        return
    delta = dumps(difference(dict(successor), kept.values))
    if len(delta) * 2 <= kept.size:
        execute(_SHRINK, (delta, tenant, thread_id, number))


def read_before(execute: Execute, tenant: str, thread_id: str, before: int, limit: int) -> Sequence[Checkpoint]:
    """Checkpoints with ``number < before``, newest first."""
    found: list[Checkpoint] = []
    values: Json = None
    rows: list[Row] = execute(_BEFORE, (tenant, thread_id, before, limit)).fetchall()
    for row in rows:
        number, content = row[0], row[2]
        if content[0] != _DIFFERENCE:
            values = orjson.loads(content)
        elif values is None:  # the first of the page: what it differs from is not on it
            values = values_at(execute, tenant, thread_id, number)
        else:
            values = applied(values, orjson.loads(content))
        found.append(checkpoint_of(thread_id, row, values))
    return found
