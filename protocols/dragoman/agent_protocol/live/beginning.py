"""Where a stream begins whose client says nothing of what it has.

Clients open streams after they have started a run, and come back without a number when they were cut off; what they
dropped they know by its id. So a stream begins with the oldest run that is under way or has ended a moment ago. The
Python SDK always says what it has, but for its very first stream, and takes the end of an older run for that of the
one it is about to start; for it only runs under way are told again, and the one that was started by a command and whose
end nobody has heard.
"""

from __future__ import annotations

from typing import Final

from dragoman.agent_protocol.live.source import LAST, seq_of
from dragoman.agent_protocol.unheard import Unheard
from dragoman.engine import Engine
from dragoman.memory.errors import ThreadNotFound
from dragoman.memory.ids import now_micros
from dragoman.memory.ledger import RunFilter
from dragoman.memory.model import ACTIVE, Principal

__all__ = ["beginning"]

_A_MOMENT: Final = 120 * 1_000_000
_PYTHON: Final = "langgraph-sdk-py/"


async def beginning(engine: Engine, principal: Principal, thread_id: str, client: str | None, unheard: Unheard) -> int:
    """The number after which to begin."""
    try:
        last = (await engine.thread(principal, thread_id)).last_seq
    except ThreadNotFound:
        return 0
    active = await engine.list_runs(principal, RunFilter(thread_id=thread_id, statuses=ACTIVE), 200, bare=True)
    runs = [view.run for view in active.items]
    if client is not None and client.startswith(_PYTHON):
        owed = unheard.of(principal, thread_id)
        first = [run.id for run in runs[-1:]] or ([owed] if owed is not None else [])
    else:
        newest = await engine.list_runs(principal, RunFilter(thread_id=thread_id), 20, bare=True)
        since = now_micros() - _A_MOMENT
        fresh = [v.run for v in newest.items if v.run.ended_at is None or v.run.ended_at > since]
        first = [run.id for run in sorted({r.id: r for r in (*runs, *fresh)}.values(), key=lambda r: r.ordinal)[:1]]
    for run_id in first:
        events = await engine.events(principal, thread_id, 0, 1, run_id)
        if events:
            return seq_of(events[0].seq - 1, LAST)
    return seq_of(last, LAST)
