"""A thread's states as the LangGraph SDK reads and writes them: newest, by checkpoint, updated, and their history."""

from __future__ import annotations

from dragoman.agent_protocol import project_sdk
from dragoman.agent_protocol.endpoint import Answer, Call, json_reply
from dragoman.agent_protocol.errors import CheckpointNotFound
from dragoman.agent_protocol.face import Face
from dragoman.agent_protocol.narrow import is_list, is_object
from dragoman.agent_protocol.shapes import checkpoint_number
from dragoman.agent_protocol.threads import before_number, revise
from dragoman.agent_protocol.unkept import refuse, refuse_given
from dragoman.agent_protocol.wire_sdk import CheckpointRequest, HistoryRequest, StateQuery, StateUpdate
from dragoman.memory.errors import InputInvalid
from dragoman.memory.model import Json

__all__ = ["at_checkpoint", "at_named_checkpoint", "history", "newest", "update"]


async def newest(face: Face, call: Call) -> Answer:
    """GET /threads/{thread_id}/state"""
    return await _state(face, call, None)


async def at_checkpoint(face: Face, call: Call) -> Answer:
    """GET /threads/{thread_id}/state/{checkpoint_id}"""
    return await _state(face, call, call.path("checkpoint_id"))


async def at_named_checkpoint(face: Face, call: Call) -> Answer:
    """POST /threads/{thread_id}/state/checkpoint"""
    return await _state(face, call, call.read(CheckpointRequest).checkpoint.checkpoint_id)


async def _state(face: Face, call: Call, name: str | None) -> Answer:
    select = call.read_query(StateQuery).select
    thread_id = await face.thread_id(call)
    before: int | None = None
    if name is not None:
        number = checkpoint_number(thread_id, name)
        before = number + 1 if number is not None else 0
    found = await face.engine.checkpoints(call.principal, thread_id, 1, before)
    if name is not None and (not found or found[0].number + 1 != before):
        raise CheckpointNotFound(f"The thread has no checkpoint {name[:80]!r}.")
    active = await face.active(call, thread_id) if name is None else ()
    state = project_sdk.thread_state(thread_id, found[0] if found else None, active)
    return json_reply(project_sdk.selected(state, select))


async def update(face: Face, call: Call) -> Answer:
    """POST /threads/{thread_id}/state: values are merged into the newest state, its messages appended to."""
    asked = call.read(StateUpdate)
    thread_id = await face.thread_id(call)
    values: Json = {} if asked.values is None else asked.values
    if not is_object(values):
        problem = "must be an object"
        raise InputInvalid(f"Invalid body: values: {problem}.", ({"field": "values", "problem": problem},))
    messages: Json = values.get("messages") or []
    name = asked.checkpoint_id or (asked.checkpoint.checkpoint_id if asked.checkpoint else None)
    thread = await revise(face, call, thread_id, values, messages if is_list(messages) else [messages], name)
    at = project_sdk.checkpoint(thread_id, thread.checkpoint)
    return json_reply({"checkpoint": at, "configurable": at, "checkpoint_id": at["checkpoint_id"]})


async def history(face: Face, call: Call) -> Answer:
    """POST /threads/{thread_id}/history"""
    body = call.body()
    asked = call.read(HistoryRequest, body)
    refuse_given(body, {"metadata": "states are listed newest first, without a filter"})
    if asked.checkpoint is not None and asked.checkpoint.checkpoint_id is not None:
        raise refuse("checkpoint", "an agent has no subgraphs")
    thread_id = await face.thread_id(call)
    name = asked.before if isinstance(asked.before, str) or asked.before is None else asked.before.checkpoint_id
    found = await face.engine.checkpoints(call.principal, thread_id, asked.limit, before_number(thread_id, name))
    active = await face.active(call, thread_id) if name is None and found else ()
    states = [
        project_sdk.thread_state(thread_id, checkpoint, active if n == 0 else ()) for n, checkpoint in enumerate(found)
    ]
    return json_reply([project_sdk.selected(state, asked.select) for state in states])
