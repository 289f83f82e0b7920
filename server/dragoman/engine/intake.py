"""What a request means to an agent: structured input as it is, prose where one string will do, questions where it will
not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from pydantic import BaseModel

from dragoman.agents.agent import Agent
from dragoman.engine.request import EngineSettings, RunRequest, Unset
from dragoman.memory.admission import PRIORITIES
from dragoman.memory.errors import InputInvalid
from dragoman.memory.frozen import maker
from dragoman.memory.ids import now_micros, short_digest, uuid7
from dragoman.memory.ledger import Submission
from dragoman.memory.model import Json, Principal, Run

__all__ = ["by_name", "input_of", "priority_of", "submission_of"]

_make_submission = maker(Submission)
_PRIORITY = "dragoman/priority"


def by_name(agents: Iterable[Agent]) -> dict[str, Agent]:
    """Agents by name, in their order. Raises ``ValueError`` when two have one name."""
    named: dict[str, Agent] = {}
    for agent in agents:
        if agent.name in named:
            raise ValueError(f"Two agents are named {agent.name!r}; give one another name.")
        named[agent.name] = agent
    return named


def input_of(agent: Agent, request: RunRequest) -> tuple[Json, Mapping[str, Json] | None, BaseModel | None]:
    """The structured input of a request (None: to be asked for), its message, and the input as it was validated.
    Raises ``InputInvalid``."""
    message = request.message
    if message is None and request.text is not None:
        message = {"role": "user", "content": request.text, "id": short_digest(uuid7())}
    if not isinstance(request.input, Unset):
        given: Json = {} if request.input is None else request.input
        return given, message, agent.validate(given)
    field = agent.signature.text_field
    if request.text is not None and field is not None:
        value = {field: request.text}
        return value, message, agent.validate(value)
    if request.text is not None and agent.signature.missing({}) is not None:
        return None, message, None
    return {}, message, agent.validate({})


def priority_of(agent: Agent, request: RunRequest) -> int:
    """The priority of a run: what its caller says, or else the agent's. Raises ``InputInvalid``."""
    told: Json = request.metadata.get(_PRIORITY) if request.priority is None else request.priority
    if told is None:
        return agent.priority
    if type(told) is not int or told not in PRIORITIES:
        problem = f"must be a whole number from {PRIORITIES[0]} to {PRIORITIES[-1]}"
        raise InputInvalid(f"{_PRIORITY}: {problem}.", ({"field": _PRIORITY, "problem": problem},))
    return told


def submission_of(
    agent: Agent,
    principal: Principal,
    request: RunRequest,
    parent: Run | None,
    settings: EngineSettings,
    new_thread: str | None,
    in_turn: bool,
) -> tuple[Submission, BaseModel | None]:
    """A request as the ledger takes it, and its input as it was validated; ``new_thread`` is the id of a thread to be
    made for it, ``in_turn`` whether it queues behind those of its tenant. Raises ``InputInvalid``."""
    value, message, validated = input_of(agent, request)
    run_id = uuid7()
    submission = _make_submission(
        tenant=principal.tenant,
        agent=agent.name,
        agent_version=agent.version,
        run_id=run_id,
        input=value,
        message=message,
        subject=principal.subject,
        thread_id=request.thread_id or new_thread,
        create_thread=request.create_thread,
        new_thread=request.thread_id is None and new_thread is not None,
        thread_metadata=request.thread_metadata,
        policy=request.policy,
        idempotency_key=request.idempotency_key,
        metadata=request.metadata,
        setup=request.setup,
        parent_run_id=parent.id if parent is not None else None,
        wake_at=now_micros() + int(request.delay * 1e6) if request.delay > 0 else None,
        queue_limit=settings.queue_limit if parent is None else None,
        tenant_queue_limit=settings.tenant_queue_limit if parent is None else None,
        agent_limit=agent.concurrency,
        tenant_limit=settings.tenant_concurrency,
        in_turn=in_turn,
        priority=priority_of(agent, request),
        deliveries=tuple(replace(each, tenant=principal.tenant, run_id=run_id) for each in request.deliveries),
    )
    return submission, validated
