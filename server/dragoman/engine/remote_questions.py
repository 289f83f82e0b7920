"""What a peer asks, as questions of our own run: how they are named, put, and answered.

``remote`` says when; the journal holds the answers. A run that asks is parked and holds nothing.
"""

from __future__ import annotations

import asyncio
from typing import Final, NoReturn

from dragoman.agents.remote import Question, RemoteMessage, RemoteTask
from dragoman.engine.ports import Activity
from dragoman.engine.remote_mark import Mark
from dragoman.memory.ledger import NewInterrupt
from dragoman.memory.model import InterruptKind, InterruptStatus, Json

__all__ = ["RemoteQuestions"]

_ASKING_WAIT: Final = (900.0, 86_400.0)  # seconds between looks at a peer that asks a person, at least and at most
_AUTH_WAIT: Final = (30.0, 3600.0)  # at one that waits to be authorized: it is told elsewhere, and goes on by itself


class RemoteQuestions:
    """The questions of one call."""

    def __init__(self, ctx: Activity, key: str, mark: Mark) -> None:
        self._ctx = ctx
        self._key = key
        self._mark = mark

    @property
    def open(self) -> list[NewInterrupt]:
        """What this call asked and nobody has answered."""
        found = self._ctx.journal.interrupts.values()
        left = (i for i in found if i.status is InterruptStatus.OPEN and i.key.startswith(f"{self._key}/"))
        return [NewInterrupt(i.key, i.kind, i.message, i.schema, i.payload) for i in left]

    def unanswered(self, task: RemoteTask) -> list[Question]:
        """Those of the task's questions that are still to be answered. The mark knows of them already."""
        given = self._given(task)
        return [question for question in task.questions if question.key not in given]

    async def put(self, task: RemoteTask) -> RemoteMessage:
        """The answer to all that the task asks; parks the run while it is not there."""
        if left := self.unanswered(task):
            auth = any(question.kind is InterruptKind.AUTH for question in left)
            self._ctx.parking.wake_by(self._mark.next_look(*(_AUTH_WAIT if auth else _ASKING_WAIT)))
            await asyncio.gather(*(self._put(question, task.keyed) for question in left))
        given = self._given(task)
        answer: Json = given if task.keyed or len(given) > 1 else next(iter(given.values()))
        text = answer if isinstance(answer, str) else None
        data = answer if text is None else None
        id = f"{self._ctx.run_id}:{self._key}:{self._mark.number}"
        return RemoteMessage(id, text, data, task.context_id, task.id)

    async def keep(self) -> NoReturn:
        """Go on asking what was asked, of a peer that cannot be reached just now."""
        self._ctx.parking.wake_by(self._mark.next_look(*_ASKING_WAIT))
        await asyncio.gather(*(self._ctx.parking.on_interrupt(question) for question in self.open))
        raise AssertionError("a question that is put does not return")

    def _given(self, task: RemoteTask) -> dict[str, Json]:
        known = self._ctx.journal.interrupts
        names = {question.key: self._name(question, task.keyed) for question in task.questions}
        return {
            key: known[name].answer
            for key, name in names.items()
            if name in known and known[name].status is InterruptStatus.ANSWERED
        }

    def _name(self, question: Question, keyed: bool) -> str:
        """The interrupt's key. A question without a key of its own has its number: each is another one."""
        name = f"{self._key}/{question.key}"
        return name if keyed or self._mark.number == 1 else f"{name}#{self._mark.number}"

    async def _put(self, q: Question, keyed: bool) -> NoReturn:
        interrupt = NewInterrupt(self._name(q, keyed), q.kind, q.message, q.schema, q.payload)
        await self._ctx.parking.on_interrupt(interrupt)
