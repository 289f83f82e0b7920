"""``inputResponses`` into answers of a run's open questions: the one way for MRTR, tasks and elicitation.

Responses to what is not asked (any more) are ignored, as both pages want. What fits is given to the engine at once;
what does not stays open, and is told by key.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from dragoman.engine import Engine
from dragoman.engine.answers import check
from dragoman.mcp import forms, questions
from dragoman.mcp.errors import INVALID_PARAMS, ProtocolError
from dragoman.mcp.objects import is_object
from dragoman.memory.errors import Conflict, InputInvalid
from dragoman.memory.model import Interrupt, Json, Principal, RunView

__all__ = ["Answered", "give"]


@dataclass(slots=True)
class Answered:
    """What came of responses: what fits, by key; what is wrong with the others; what a person did instead."""

    fit: dict[str, Json] = field(default_factory=dict[str, Json])
    problems: dict[str, str] = field(default_factory=dict[str, str])
    declined: bool = False
    dismissed: bool = False

    def take(self, interrupt: Interrupt, response: Json, version: str) -> None:
        """Sort one response. Raises ``ProtocolError`` for what is no response."""
        try:
            answer = questions.answer_of(interrupt, response, version)
            if isinstance(answer, forms.Outcome):
                self.declined = self.declined or answer is forms.Outcome.DECLINED
                self.dismissed = self.dismissed or answer is forms.Outcome.DISMISSED
                return
            check(interrupt, answer)
        except InputInvalid as error:
            self.problems[interrupt.key] = error.message
        else:
            self.fit[interrupt.key] = answer


async def give(engine: Engine, principal: Principal, view: RunView, responses: Json, version: str) -> Answered:
    """Answer what the responses answer. A declined question that is no approval cancels the run: it cannot go on.

    Raises ``ProtocolError`` for responses that are none. Of two callers who answer at once the first counts, and both
    are told how the run goes on.
    """
    if not is_object(responses):
        raise ProtocolError(INVALID_PARAMS, '"inputResponses" must be an object.')
    told = Answered()
    for interrupt in view.open_interrupts:
        if interrupt.key in responses:
            told.take(interrupt, responses[interrupt.key], version)
    try:
        if told.declined:
            await engine.cancel(principal, view.run.id, "declined")
        elif told.fit:
            await engine.answer(principal, view.run.id, told.fit)
    except Conflict:
        pass  # someone else was first
    return told
