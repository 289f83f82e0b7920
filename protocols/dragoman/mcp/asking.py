"""The two ways in which a plain function's question reaches the client of its call.

In the modern era (``Rounds``) the function is stopped where it asks, the client is answered ``input_required``, and
the retry starts the function again with the answers so far (2026-07-28 "Multi Round-Trip Requests"). In the older era
(``Requests``) the question is a request of ours on the call's own channel, and the function waits for the reply.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, NoReturn

from dragoman.agents.errors import Declined, InterruptExpired
from dragoman.engine.answers import check
from dragoman.engine.parking import Parking
from dragoman.mcp import questions
from dragoman.mcp.call import Call
from dragoman.mcp.elicitation import Desk
from dragoman.mcp.errors import ProtocolError
from dragoman.mcp.forms import Outcome
from dragoman.memory.errors import InputInvalid
from dragoman.memory.ledger import NewInterrupt
from dragoman.memory.model import Interrupt, Json

__all__ = ["Requests", "Rounds"]

_ANSWER: Final = "answer"
_ACTION: Final = "action"
_TRIES: Final = 3  # of a person whose answer does not fit


class Rounds:
    """Answers of earlier rounds, and of this one; and what is asked next.

    ``known`` and ``until`` are of the rounds before, ``responses`` of this one, all by key: what was answered, when a
    question that has a time-out expires (seconds since the epoch), and what the client sends now. ``stop`` is called
    once the function waits for its client, and has asked all that it asks at the same time. ``known`` and ``until``
    are then what the next round begins with; ``open`` is what is asked, with ``problems`` of what is asked again;
    ``refused`` is there where a response is none.
    """

    def __init__(
        self,
        call: Call,
        known: Mapping[str, Json],
        until: Mapping[str, float],
        responses: Mapping[str, Json],
        stop: Callable[[], None],
    ) -> None:
        self.known: dict[str, Json] = dict(known)
        self.until: dict[str, float] = dict(until)
        self.open: dict[str, Interrupt] = {}
        self.problems: dict[str, str] = {}
        self.refused: ProtocolError | None = None
        self._call = call
        self._responses = responses
        self._parking = Parking(stop)

    async def ask(self, question: Interrupt, timeout: float | None) -> Json:
        if timeout is not None and question.key not in self.known:
            self._expire(question.key, timeout)
        if question.key not in self.known and question.key in self._responses:
            self._take(question)
        told: Any = self.known.get(question.key)
        if told is None:
            await self._wait(question)
        if _ACTION in told:
            raise Declined(action=told[_ACTION])
        return told[_ANSWER]

    def _take(self, question: Interrupt) -> None:
        try:
            answer = _checked(question, self._responses[question.key], self._call.version)
        except InputInvalid as error:
            self.problems[question.key] = error.message
        except ProtocolError as error:
            self.refused = error
        else:
            told: dict[str, Json] = {_ACTION: answer.value} if isinstance(answer, Outcome) else {_ANSWER: answer}
            self.known[question.key] = told

    def _expire(self, key: str, timeout: float) -> None:
        now = time.time()
        if self.until.setdefault(key, now + timeout) < now:
            raise InterruptExpired(f"Nobody answered {key!r} within {timeout:g} s.")

    async def _wait(self, question: Interrupt) -> NoReturn:
        self.open[question.key] = question
        asked = NewInterrupt(question.key, question.kind, question.message, question.schema)
        await self._parking.on_interrupt(asked)


class Requests:
    """Questions as requests to an older client. ``patience`` is how long one is waited for, in seconds, where the
    function does not say."""

    def __init__(self, call: Call, desk: Desk, patience: float) -> None:
        self._call = call
        self._desk = desk
        self._patience = patience

    async def ask(self, question: Interrupt, timeout: float | None) -> Json:
        limit = self._patience if timeout is None else timeout
        bound = asyncio.timeout(limit)
        problem = ""
        try:
            async with bound:
                for _ in range(_TRIES):
                    try:
                        return await self._once(question, problem)
                    except InputInvalid as error:
                        problem = error.message
                        if questions.method_for(self._call, question) != "elicitation/create":
                            raise  # nobody is there to read why
        except TimeoutError:
            if not bound.expired():
                raise
            raise InterruptExpired(f"Nobody answered {question.key!r} within {limit:g} s.") from None
        raise InputInvalid(problem)

    async def _once(self, question: Interrupt, problem: str) -> Json:
        reply = await self._desk.request(self._call, questions.request_for(self._call, question, problem))
        if reply.result is None:
            told: Any = (reply.error or {}).get("message")
            raise Declined(told if isinstance(told, str) else None, action="cancel")
        try:
            answer = _checked(question, reply.result, self._call.version)
        except ProtocolError as error:
            raise InputInvalid(error.message) from None
        if isinstance(answer, Outcome):
            raise Declined(action=answer.value)
        return answer


def _checked(question: Interrupt, response: Json, version: str) -> Json | Outcome:
    answer = questions.answer_of(question, response, version)
    if not isinstance(answer, Outcome):
        check(question, answer)
    return answer
