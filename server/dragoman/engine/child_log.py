"""What a child run tells, noted in its parent's log: a pointer to the child's events for each of its commits.

One log then has the order in which parent and children told things, so that who watches the parent with its children
sees the same live and replayed. The events themselves are not copied: a pointer, the event ``child``, names the child's
thread and run, and the numbers ``after`` and ``upto`` between which they lie. What a parent missed (it was parked, its
process died) is pointed at when it works with the child again. Below: hub and ledger. Above: ``children.py``.
"""

from __future__ import annotations

from collections.abc import Sequence

from dragoman.engine.ports import Activity
from dragoman.memory.ledger import NewEvent
from dragoman.memory.model import Event, Run

__all__ = ["ChildLog"]

_MOST = 256  # events that one pointer covers
_PAGE = 500


class ChildLog:
    """Notes how far a child's log has come, while its parent works on it. Use ``async with``."""

    def __init__(self, ctx: Activity, key: str, child: Run) -> None:
        self._ctx = ctx
        self._key = key
        self._child = child
        self._upto = 0
        self._begun = False

    async def __aenter__(self) -> ChildLog:
        child = self._child
        self._end = self._ctx.engine.hub.listen(child.tenant, child.thread_id, self)
        try:
            if self._ctx.attempt > 1:
                self._upto = await self._noted()
            self._begun = True
            await self._catch_up()
        except BaseException:
            self._end()
            raise
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._end()
        if kind is None:
            await self._catch_up()

    def put(self, events: Sequence[Event]) -> None:
        """The hub's: these were committed, and with them all before."""
        if self._begun:
            self._note(max(event.seq for event in events))

    def nudge(self) -> None:
        """The hub's: looked at when the child is left."""

    async def _catch_up(self) -> None:
        self._note((await self._ctx.engine.ledger.thread(self._child.tenant, self._child.thread_id)).last_seq)

    def _note(self, upto: int) -> None:
        child = self._child
        while self._upto < upto:
            until = min(self._upto + _MOST, upto)
            data = {
                "step": self._key,
                "agent": child.agent,
                "run_id": child.id,
                "thread_id": child.thread_id,
                "after": self._upto,
                "upto": until,
            }
            self._ctx.recorder.note(NewEvent("child", data))
            self._upto = until

    async def _noted(self) -> int:
        """How far earlier activations have come."""
        run, upto, last = self._ctx.run, 0, 0
        while True:
            page = await self._ctx.engine.ledger.events(run.tenant, run.thread_id, last, _PAGE, run.id)
            told = (e.data for e in page if e.type == "child" and e.data.get("run_id") == self._child.id)
            upto = max([upto, *(int(data.get("upto", 0)) for data in told)])
            if len(page) < _PAGE:
                return upto
            last = page[-1].seq
