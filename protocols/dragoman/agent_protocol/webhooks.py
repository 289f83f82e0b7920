"""Webhooks of runs: told when a run has ended, and when it waits for an answer.

Kept with the run as deliveries of the outbox, which signs, sends, retries and gives up; nothing is sent here. What is
told follows from the event alone, so that a retry and a restart tell the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from dragoman.agent_protocol import project, project_sdk
from dragoman.agent_protocol.shapes import question, stamp, state_of
from dragoman.agent_protocol.surface import Surface
from dragoman.auth.egress import EgressRefused
from dragoman.engine import Engine
from dragoman.engine.outgoing import Message, Projection
from dragoman.memory.codec import dumps
from dragoman.memory.errors import InputInvalid, NotFound
from dragoman.memory.ids import short_digest
from dragoman.memory.model import Event, Json, Principal, Run, RunStatus, RunView
from dragoman.memory.outbox import Delivery, NewDelivery

__all__ = ["KIND", "WebhookKind", "add_webhook", "check_webhook", "webhook_of"]

KIND: Final = "langgraph"
"""The outbox's name for these deliveries."""

_TOLD: Final = frozenset({"run.waiting", "run.succeeded", "run.failed", "run.cancelled"})
_PAGE: Final = 100


async def check_webhook(engine: Engine, url: Json) -> None:
    """Raise ``InputInvalid`` for an address that is not to be called."""
    if url is None:
        return
    problem = "must be a text"
    if isinstance(url, str):
        try:
            await engine.outbox.outgoing.egress.vet(url)
        except EgressRefused as error:
            problem = error.message
        else:
            return
    raise InputInvalid(f"webhook {problem}.", ({"field": "webhook", "problem": problem},))


def webhook_of(url: str | None, surface: Surface) -> tuple[NewDelivery, ...]:
    """The deliveries of a run that is about to be opened. The address has been checked."""
    return () if url is None else (_delivery(url, surface, "", "", 0),)


async def add_webhook(engine: Engine, run: Run, url: str | None, surface: Surface, after: int) -> None:
    """Have a run that goes on call it from its event ``after`` on. One that it calls already misses nothing."""
    if url is None:
        return
    new = _delivery(url, surface, run.tenant, run.id, after)
    try:
        await engine.ledger.delivery(run.tenant, run.id, new.id)
    except NotFound:
        await engine.outbox.add(new)


def _delivery(url: str, surface: Surface, tenant: str, run_id: str, after: int) -> NewDelivery:
    return NewDelivery(tenant, run_id, f"{KIND}:{short_digest(url)}", KIND, url, {"surface": surface.value}, {}, after)


class WebhookKind:
    """See ``dragoman.engine.outgoing.Kind``."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def open(self, delivery: Delivery, run: Run) -> Projection:
        """See ``Kind``."""
        return _Told(self._engine, run, Surface(delivery.options["surface"]))

    def headers(
        self, delivery: Delivery, secret: Mapping[str, Json], message_id: str, at: int, body: bytes
    ) -> Mapping[str, str]:
        """See ``Kind``: none beside the signature, which all kinds have."""
        return {}


class _Told:
    """One run's."""

    def __init__(self, engine: Engine, run: Run, surface: Surface) -> None:
        self._engine = engine
        self._run = run
        self._surface = surface
        self._who = Principal(run.tenant, run.subject, frozenset())

    async def take(self, event: Event) -> Sequence[Message]:
        """See ``Projection``."""
        if event.type not in _TOLD:
            return []
        try:
            view = await self._engine.view(self._who, self._run.id)
            values = await self._values(event)
        except NotFound:  # it was deleted; there is nobody to tell of
            return []
        if event.type == "run.waiting":
            view = replace(view, run=replace(view.run, status=RunStatus.WAITING, output=None, failure=None))
        told = self._agent_protocol if self._surface is Surface.AGENT_PROTOCOL else self._sdk
        return [Message(dumps(told(view, values, event)))]

    async def _values(self, event: Event) -> Mapping[str, Json]:
        """The thread's values when it happened."""
        before: int | None = None
        while found := await self._engine.checkpoints(self._who, self._run.thread_id, _PAGE, before):
            for checkpoint in found:
                if checkpoint.created_at <= event.at:
                    return checkpoint.values
            before = found[-1].number
        return {}

    def _agent_protocol(self, view: RunView, values: Mapping[str, Json], event: Event) -> dict[str, Json]:
        """RunWaitResponse."""
        return project.result(view, values)

    def _sdk(self, view: RunView, values: Mapping[str, Json], event: Event) -> dict[str, Json]:
        """As langgraph-api has it: the run, when it began and ended, its values, its error."""
        run = view.run
        state = state_of(values, Surface.LANGGRAPH, run)
        if event.type == "run.waiting":
            state["__interrupt__"] = [question(asked, Surface.LANGGRAPH) for asked in event.data["interrupts"]]
        told: dict[str, Json] = {
            **project_sdk.run(run),
            "run_started_at": None if run.started_at is None else stamp(run.started_at),
            "run_ended_at": stamp(event.at),
            "webhook_sent_at": stamp(event.at),
            "values": state,
        }
        if run.failure is not None:
            failure = run.failure
            told["error"] = {"error": failure.type or failure.kind.value, "message": failure.message}
        return told
