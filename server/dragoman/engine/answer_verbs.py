"""What people answer to runs: checked against what was asked, committed, and the run goes on."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence

from dragoman.engine import answers as answering
from dragoman.memory.errors import InputInvalid, RunEnded
from dragoman.memory.ledger import Ledger
from dragoman.memory.model import Event, InterruptStatus, Json, Principal, Run

__all__ = ["AnswerVerbs"]


class AnswerVerbs:
    """The verbs of answers, for one caller."""

    ledger: Ledger

    @abstractmethod
    def publish(self, run: Run, events: Sequence[Event]) -> None:
        """Tell what was committed outside of an activation."""

    @abstractmethod
    def queued(self) -> None:
        """A run may be due."""

    async def answer(self, principal: Principal, run_id: str, answers: Mapping[str, Json]) -> Run:
        """Answer open interrupts by key or id; the run goes on.

        Raises ``InputInvalid`` when an answer does not fit its schema, ``Conflict`` when it was answered already.
        """
        view = await self.ledger.load(principal.tenant, run_id)
        if view.run.ended:
            raise RunEnded(f"The run has ended ({view.run.status}); nothing is asked any more.")
        chosen = answering.select(view.interrupts, answers)
        by_key = {i.key: i for i in view.interrupts}
        for key, value in chosen.items():
            answering.check(by_key[key], value)
        run, events = await self.ledger.answer(principal.tenant, run_id, chosen, principal.subject)
        self.publish(run, events)
        self.queued()
        return run

    async def answer_text(self, principal: Principal, run_id: str, text: str) -> Run:
        """Answer the one open interrupt in prose. Raises ``InputInvalid`` telling what is asked for."""
        view = await self.ledger.load(principal.tenant, run_id)
        waiting = [i for i in view.interrupts if i.status is InterruptStatus.OPEN]
        if view.run.ended or not waiting:
            raise RunEnded(f"The run is {view.run.status}; nothing is asked.")
        if len(waiting) > 1:
            names = ", ".join(repr(i.key) for i in waiting)
            raise InputInvalid(f"{len(waiting)} questions are open ({names}); answer them by key, as structured data.")
        return await self.answer(principal, run_id, {waiting[0].key: answering.from_text(waiting[0], text)})
