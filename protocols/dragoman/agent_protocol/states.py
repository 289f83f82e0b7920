"""A thread's states as the LangGraph SDK reads and writes them: newest, by checkpoint, updated, and their history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dragoman.agent_protocol import project_sdk
from dragoman.agent_protocol.endpoint import Answer, Call, json_reply
from dragoman.agent_protocol.face import Face
from dragoman.agent_protocol.narrow import is_list
from dragoman.agent_protocol.revising import revision
from dragoman.agent_protocol.setups import named_checkpoint
from dragoman.agent_protocol.threads import before_number
from dragoman.agent_protocol.wire_sdk import CheckpointName, CheckpointRequest, HistoryRequest, StateQuery, StateUpdate
from dragoman.memory.model import Checkpoint, Json, Principal

__all__ = ["at_checkpoint", "at_named_checkpoint", "history", "newest", "update"]

_PAGE = 100


async def newest(face: Face, call: Call) -> Answer:
    """GET /threads/{thread_id}/state"""
    return await _state(face, call, None)


async def at_checkpoint(face: Face, call: Call) -> Answer:
    """GET /threads/{thread_id}/state/{checkpoint_id}"""
    return await _state(face, call, call.path("checkpoint_id"))


async def at_named_checkpoint(face: Face, call: Call) -> Answer:
    """POST /threads/{thread_id}/state/checkpoint"""
    asked = call.read(CheckpointRequest).checkpoint
    return await _state(face, call, asked.checkpoint_id, asked)


async def _state(face: Face, call: Call, name: str | None, given: CheckpointName | None = None) -> Answer:
    select = call.read_query(StateQuery).select
    thread_id = await face.thread_id(call)
    before = None
    if name is not None:
        before = await named_checkpoint(face, call.principal, thread_id, name, given) + 1
    found = await face.engine.checkpoints(call.principal, thread_id, 1, before)
    newest = name is None or (await face.engine.thread(call.principal, thread_id)).checkpoint + 1 == before
    active = await face.active(call, thread_id) if newest else ()
    state = project_sdk.thread_state(thread_id, found[0] if found else None, active)
    return json_reply(project_sdk.selected(state, select))


async def update(face: Face, call: Call) -> Answer:
    """POST /threads/{thread_id}/state: values are merged into the newest state or the one that is named, and make the
    thread's newest. A list of values makes a state of each."""
    asked = call.read(StateUpdate)
    thread_id = await face.thread_id(call)
    values: Json = asked.values
    each = values if is_list(values) else [values]
    revisions = [revision(one, "values", asked.as_node) for one in each]
    name = asked.checkpoint_id or (asked.checkpoint.checkpoint_id if asked.checkpoint else None)
    base = None if name is None else await named_checkpoint(face, call.principal, thread_id, name, asked.checkpoint)
    thread = await face.engine.revise_thread(call.principal, thread_id, revisions, base)
    at = project_sdk.checkpoint(thread_id, thread.checkpoint)
    return json_reply({"checkpoint": at, "configurable": at, "checkpoint_id": at["checkpoint_id"]})


async def history(face: Face, call: Call) -> Answer:
    """POST /threads/{thread_id}/history"""
    asked = call.read(HistoryRequest)
    thread_id = await face.thread_id(call)
    name = asked.before if isinstance(asked.before, str) or asked.before is None else asked.before.checkpoint_id
    before = before_number(thread_id, name)
    if asked.checkpoint is not None and asked.checkpoint.checkpoint_id is not None:
        named = asked.checkpoint
        until = 1 + await named_checkpoint(face, call.principal, thread_id, asked.checkpoint.checkpoint_id, named)
        before = until if before is None else min(before, until)
    thread = await face.engine.thread(call.principal, thread_id)
    found = await _matching(face, call.principal, thread_id, asked, before)
    active = await face.active(call, thread_id) if found and found[0].number == thread.checkpoint else ()
    states = [
        project_sdk.thread_state(thread_id, checkpoint, active if n == 0 else ()) for n, checkpoint in enumerate(found)
    ]
    return json_reply([project_sdk.selected(state, asked.select) for state in states])


async def _matching(
    face: Face, principal: Principal, thread_id: str, asked: HistoryRequest, before: int | None
) -> Sequence[Checkpoint]:
    """Checkpoints whose metadata holds what is asked for, newest first; a page of them is read at a time."""
    if not asked.metadata:
        return await face.engine.checkpoints(principal, thread_id, asked.limit, before)
    found: list[Checkpoint] = []
    while page := await face.engine.checkpoints(principal, thread_id, _PAGE, before):
        found += [c for c in page if _holds(project_sdk.checkpoint_metadata(c), asked.metadata)]
        if len(found) >= asked.limit:
            break
        before = page[-1].number
    return found[: asked.limit]


def _holds(metadata: Mapping[str, Json], pairs: Mapping[str, Json]) -> bool:
    return all(key in metadata and metadata[key] == value for key, value in pairs.items())
