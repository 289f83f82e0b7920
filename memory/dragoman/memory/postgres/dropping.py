"""Days of events dropped whole, in steps that hold no lock for long.

What must be kept of a day is copied beside it, some threads at a time. Then one short transaction puts it in the day's
place, if nobody has written to the day meanwhile. It waits some milliseconds for its lock and is tried again later, for
whoever waits for a lock on ``events`` has all commits wait behind it. The steps are functions of the database
(``migrations/postgres/0071_keeping.sql``). Above: ``ledger.py``. Below: ``runner.py``.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from dragoman.memory.codec import dumps
from dragoman.memory.errors import LedgerBusy
from dragoman.memory.postgres.dialect import OWN, Statement
from dragoman.memory.postgres.runner import Runner
from dragoman.memory.postgres.tx import PostgresTx

__all__ = ["DroppedDay", "drop_days"]

_STEPS: Final = {
    name: OWN[name]
    for name in (
        "days_before",
        "begin_day",
        "keep_of_day",
        "fence_day",
        "prove_fence",
        "end_day",
        "leave_day",
        "drop_marks",
    )
}
_THREADS: Final = 200
"""Of a piece."""
_MOVED: Final = 2000
"""So many rows are moved under the lock; more of them stay where they are, as the day's partition."""
_TRIES: Final = 12
_PAUSE: Final = (0.5, 1.5)  # seconds
_SILENCE: Final = 300.0
# A day is gone through in one statement here and there, which holds nobody up.
_LONG: Final = Statement("long_step", "SET LOCAL statement_timeout = '290s'")


class DroppedDay(NamedTuple):
    """A day whose partition is gone, how many events went with it, and how many were kept."""

    name: str
    dropped: int
    kept: int


async def drop_days(runner: Runner, before: int, keeping: Sequence[str]) -> list[DroppedDay]:
    """See ``PostgresLedger.drop_days``."""
    gone: list[DroppedDay] = []
    for (day,) in await _step(runner, "days_before", before):
        for _ in range(3):  # who writes to an old day does so once
            state, dropped, kept = await _dropped(runner, day, dumps(list(keeping)).decode())
            if state == "done":
                gone.append(DroppedDay(day, dropped, kept))
            if state != "changed":
                break
    return gone


async def _dropped(runner: Runner, day: str, keeping: str) -> tuple[str, int, int]:
    [(token,)] = await _step(runner, "begin_day", day)
    if token is None:  # another replica is at it, or most of it is kept
        return "left", 0, 0
    try:
        await _pieces(runner, "keep_of_day", day, token, keeping)
        state, dropped, kept = await _ended(runner, day, token)
    except BaseException:
        await asyncio.shield(_step(runner, "leave_day", day, token))
        raise
    if state == "done" and kept > _MOVED:
        await _pieces(runner, "drop_marks", day)
    return state, dropped, kept


async def _pieces(runner: Runner, step: str, *args: Any) -> None:
    """All threads of a day, some at a time."""
    last: tuple[Any, ...] = ("", "")
    clock = asyncio.get_running_loop().time
    began = clock()
    while found := await _step(runner, step, *args, *last, _THREADS):
        [last] = found
        await asyncio.sleep(clock() - began)  # as long as it took, for others work there too
        began = clock()


async def _ended(runner: Runner, day: str, token: str) -> tuple[str, int, int]:
    """Put what is kept in the day's place. Raises ``LedgerBusy`` when somebody reads events all the time."""
    for _ in range(_TRIES):
        [(state, dropped, kept)] = await _step(runner, "end_day", day, token, _MOVED)
        if state == "unfenced" and (await _step(runner, "fence_day", day)) == [("fenced",)]:
            await _step(runner, "prove_fence")
        elif state in ("busy", "unfenced"):
            await asyncio.sleep(random.uniform(*_PAUSE))
        else:
            return state, dropped, kept
    raise LedgerBusy(f"The events of {day} are not dropped now: somebody has been reading or writing events for long.")


async def _step(runner: Runner, name: str, *args: Any) -> list[tuple[Any, ...]]:
    return await runner.write(step_of_day, name, args, silence=_SILENCE)


def step_of_day(tx: PostgresTx, name: str, args: tuple[Any, ...]) -> list[tuple[Any, ...]]:
    """One step, in a transaction of its own."""
    tx.send(_LONG, ())
    found: list[tuple[Any, ...]] = tx.send(_STEPS[name], args).fetchall()
    return found
