"""Threads, on both surfaces: create, get, search, count, update, delete, copy; Agent Protocol's history.

The paths are the same for both, so each answers in the shape of the surface that its client's name tells. The SDK's
states and its history are in ``states.py``.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import replace

from dragoman.agent_protocol import project, project_sdk
from dragoman.agent_protocol.endpoint import Answer, Call, Header, empty, json_reply
from dragoman.agent_protocol.extracting import extracted
from dragoman.agent_protocol.face import Face
from dragoman.agent_protocol.messages import heard
from dragoman.agent_protocol.narrow import is_list
from dragoman.agent_protocol.revising import superstep
from dragoman.agent_protocol.setups import named_checkpoint
from dragoman.agent_protocol.shapes import checkpoint_number
from dragoman.agent_protocol.surface import Surface
from dragoman.agent_protocol.wire import HistoryQuery, ThreadCreate, ThreadPatch, ThreadSearch
from dragoman.agent_protocol.wire_sdk import (
    SdkThreadCreate,
    SdkThreadPatch,
    SdkThreadSearch,
    ThreadCount,
    ThreadPrune,
    ThreadQuery,
)
from dragoman.memory.errors import Conflict, InputInvalid, ThreadNotFound
from dragoman.memory.model import Json, Thread, ThreadStatus
from dragoman.memory.threads import Revision, ThreadFilter, ThreadOrder

__all__ = [
    "before_number",
    "copy",
    "count",
    "create",
    "delete",
    "forget",
    "get",
    "history",
    "patch",
    "prune",
    "revise",
    "search",
]


async def create(face: Face, call: Call) -> Answer:
    """POST /threads"""
    if call.surface is Surface.LANGGRAPH:
        return await _sdk_create(face, call)
    asked = call.read(ThreadCreate)
    exist_ok = asked.if_exists == "do_nothing"
    thread = await face.engine.create_thread(call.principal, asked.thread_id, asked.metadata, exist_ok=exist_ok)
    return json_reply(await _shown(face, call, thread))


async def _sdk_create(face: Face, call: Call) -> Answer:
    asked = call.read(SdkThreadCreate)
    metadata = asked.metadata if asked.graph_id is None else {"graph_id": asked.graph_id, **asked.metadata}
    thread = await face.engine.create_thread(
        call.principal,
        asked.thread_id,
        metadata,
        exist_ok=asked.if_exists == "do_nothing",
        ttl=asked.ttl.kept if asked.ttl else None,
        revisions=[superstep(step, f"supersteps.{n}") for n, step in enumerate(asked.supersteps)],
    )
    return json_reply(await _shown(face, call, thread))


async def get(face: Face, call: Call) -> Answer:
    """GET /threads/{thread_id}"""
    thread = await face.engine.thread(call.principal, await face.thread_id(call))
    shown = await _shown(face, call, thread)
    if call.surface is Surface.LANGGRAPH and "ttl" in call.read_query(ThreadQuery).include.split(","):
        shown["ttl"] = project_sdk.expiry(await face.engine.thread_expiry(call.principal, thread.id))
    return json_reply(shown)


async def patch(face: Face, call: Call) -> Answer:
    """PATCH /threads/{thread_id}: metadata is merged, new values and messages make a new state."""
    thread_id = await face.thread_id(call)
    body = call.body()
    if call.surface is Surface.LANGGRAPH:
        changed = call.read(SdkThreadPatch, body)
        thread = await face.engine.update_thread(call.principal, thread_id, metadata=changed.metadata)
        if changed.ttl is not None:
            await face.engine.set_thread_ttl(call.principal, thread_id, changed.ttl.kept)
    else:
        asked = call.read(ThreadPatch, body)
        from_checkpoint = asked.checkpoint.checkpoint_id if asked.checkpoint else None
        messages = [*asked.messages, *_list(asked.values.get("messages"))]
        thread = await revise(face, call, thread_id, asked.values, messages, from_checkpoint, asked.metadata)
    if call.header(b"prefer") == "return=minimal":
        return empty()
    return json_reply(await _shown(face, call, thread))


async def revise(
    face: Face,
    call: Call,
    thread_id: str,
    values: Mapping[str, Json],
    messages: Sequence[Json],
    from_checkpoint: str | None,
    metadata: Mapping[str, Json] | None = None,
) -> Thread:
    """Merge into a thread's newest state, or into the one that is named, which makes its newest; messages are appended.
    Raises ``InputInvalid``, ``ThreadNotFound``, ``CheckpointNotFound``, and ``Conflict`` for a message that is there
    already."""
    thread = await face.engine.thread(call.principal, thread_id)
    changed = {k: v for k, v in values.items() if k != "messages"}
    if not changed and not messages:
        return await face.engine.update_thread(call.principal, thread_id, metadata=metadata) if metadata else thread
    base, values_there = await _base(face, call, thread, from_checkpoint)
    new = [heard(message, f"messages.{n}") for n, message in enumerate(messages)]
    known = {m.get("id") for m in _list(values_there.get("messages"))}
    for message in new:
        if message["id"] in known:
            raise Conflict(
                f"The thread has a message {message['id']!r} already; messages are appended, never replaced."
            )
        known.add(message["id"])
    if base is not None:
        await face.engine.revise_thread(call.principal, thread_id, [Revision(changed, new)], base)
        return await face.engine.update_thread(call.principal, thread_id, metadata=metadata or None)
    return await face.engine.update_thread(
        call.principal, thread_id, metadata=metadata or None, values=changed or None, messages=new
    )


async def _base(face: Face, call: Call, thread: Thread, name: str | None) -> tuple[int | None, Mapping[str, Json]]:
    """The checkpoint that a change is made to, None for the newest, and its values."""
    if name is None:
        return None, thread.values
    number = await named_checkpoint(face, call.principal, thread.id, name)
    if number == thread.checkpoint:
        return None, thread.values
    [found] = await face.engine.checkpoints(call.principal, thread.id, 1, number + 1)
    return number, found.values


async def delete(face: Face, call: Call) -> Answer:
    """DELETE /threads/{thread_id}; to the SDK with what runs or waits on it, as langgraph-api does."""
    thread_id = await face.thread_id(call)
    if call.surface is Surface.LANGGRAPH:
        await forget(face, call, thread_id)
    else:
        await face.engine.delete_thread(call.principal, thread_id)
    return empty()


async def forget(face: Face, call: Call, thread_id: str) -> None:
    """Delete a thread, whose active runs are cancelled first."""
    for view in await face.active(call, thread_id):
        await face.engine.cancel(call.principal, view.run.id, "its thread is deleted")
    await face.engine.delete_thread(call.principal, thread_id)


async def copy(face: Face, call: Call) -> Answer:
    """POST /threads/{thread_id}/copy"""
    thread = await face.engine.copy_thread(call.principal, await face.thread_id(call))
    return json_reply(await _shown(face, call, thread))


async def history(face: Face, call: Call) -> Answer:
    """GET /threads/{thread_id}/history"""
    asked = call.read_query(HistoryQuery)
    thread_id = await face.thread_id(call)
    before = before_number(thread_id, asked.before)
    found = await face.engine.checkpoints(call.principal, thread_id, asked.limit, before)
    return json_reply([project.thread_state(checkpoint) for checkpoint in found])


def before_number(thread_id: str, name: str | None) -> int | None:
    """The number of the checkpoint before which to read. Raises ``InputInvalid`` for one that is not this thread's."""
    if name is None:
        return None
    number = checkpoint_number(thread_id, name)
    if number is None:
        raise InputInvalid(
            "before is not a checkpoint of this thread.",
            ({"field": "before", "problem": "is not a checkpoint of this thread"},),
        )
    return number


# -- lists ------------------------------------------------------------------------------------------------------------
async def search(face: Face, call: Call) -> Answer:
    """POST /threads/search"""
    if call.surface is Surface.LANGGRAPH:
        return await _sdk_search(face, call)
    asked = call.read(ThreadSearch)
    where = ThreadFilter(asked.thread_status, asked.metadata or None, asked.values or None)
    found = await face.engine.threads(call.principal, where, asked.limit, asked.offset)
    return json_reply([project.thread(thread) for thread in found])


async def _sdk_search(face: Face, call: Call) -> Answer:
    asked = call.read(SdkThreadSearch)
    order = ThreadOrder.UPDATED_AT if asked.sort_by == "state_updated_at" else ThreadOrder(asked.sort_by)
    where = replace(_filter(asked), ids=asked.ids)
    down = asked.sort_order == "desc"
    found = await face.engine.threads(
        call.principal, where, asked.limit + 1, asked.offset, order=order, descending=down
    )
    shown = [await _found(face, call, asked, thread) for thread in found[: asked.limit]]
    more: list[Header] = []
    if len(found) > asked.limit:
        more.append((b"x-pagination-next", str(asked.offset + asked.limit).encode()))
    return json_reply(shown, headers=more)


async def _found(face: Face, call: Call, asked: SdkThreadSearch, thread: Thread) -> dict[str, Json]:
    shown = await _shown(face, call, thread)
    chosen = project_sdk.selected(shown, asked.select)
    if asked.extract:
        chosen["extracted"] = extracted(shown, asked.extract)
    return chosen


async def count(face: Face, call: Call) -> Answer:
    """POST /threads/count"""
    return json_reply(await face.engine.count_threads(call.principal, _filter(call.read(ThreadCount))))


async def prune(face: Face, call: Call) -> Answer:
    """POST /threads/prune: threads are deleted, or keep their newest state alone. One that is not there, or has an
    active run, is let be and not counted."""
    asked = call.read(ThreadPrune)
    act = face.engine.delete_thread if asked.strategy == "delete" else face.engine.prune_thread
    pruned = 0
    for thread_id in dict.fromkeys(asked.thread_ids):
        with contextlib.suppress(ThreadNotFound, Conflict):
            await act(call.principal, thread_id)
            pruned += 1
    return json_reply({"pruned_count": pruned})


def _filter(asked: ThreadCount) -> ThreadFilter:
    status = ThreadStatus(asked.status) if asked.status else None
    return ThreadFilter(status, asked.metadata or None, asked.values or None)


async def _shown(face: Face, call: Call, thread: Thread) -> dict[str, Json]:
    if call.surface is Surface.AGENT_PROTOCOL:
        return project.thread(thread)
    if thread.status not in (ThreadStatus.INTERRUPTED, ThreadStatus.BUSY):
        return project_sdk.thread(thread)
    return project_sdk.thread(thread, await face.active(call, thread.id))


def _list(value: Json) -> list[Json]:
    return value if is_list(value) else []
