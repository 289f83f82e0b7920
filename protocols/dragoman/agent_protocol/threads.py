"""Threads, on both surfaces: create, get, search, count, update, delete, copy; Agent Protocol's history.

The paths are the same for both, so each answers in the shape of the surface that its client's name tells. The SDK's
states and its history are in ``states.py``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dragoman.agent_protocol import project, project_sdk
from dragoman.agent_protocol.endpoint import Answer, Call, Header, empty, json_reply
from dragoman.agent_protocol.face import Face
from dragoman.agent_protocol.messages import heard
from dragoman.agent_protocol.narrow import is_list
from dragoman.agent_protocol.shapes import checkpoint_number
from dragoman.agent_protocol.surface import Surface
from dragoman.agent_protocol.unkept import refuse, refuse_given
from dragoman.agent_protocol.wire import HistoryQuery, ThreadCreate, ThreadPatch, ThreadSearch
from dragoman.agent_protocol.wire_sdk import SdkThreadCreate, SdkThreadPatch, SdkThreadSearch, ThreadCount
from dragoman.memory.errors import Conflict, InputInvalid, ThreadNotFound
from dragoman.memory.ledger import ThreadFilter
from dragoman.memory.model import Json, Thread, ThreadStatus

__all__ = ["before_number", "copy", "count", "create", "delete", "get", "history", "patch", "revise", "search"]

_TTL = {"ttl": "a thread is kept until it is deleted"}
_CREATE = {"supersteps": "create the thread, then update its state", **_TTL}
_PAGE = 500


async def create(face: Face, call: Call) -> Answer:
    """POST /threads"""
    body = call.body()
    if call.surface is Surface.LANGGRAPH:
        refuse_given(body, _CREATE)
        asked: ThreadCreate = call.read(SdkThreadCreate, body)
    else:
        asked = call.read(ThreadCreate, body)
    exist_ok = asked.if_exists == "do_nothing"
    thread = await face.engine.create_thread(call.principal, asked.thread_id, asked.metadata, exist_ok=exist_ok)
    return json_reply(await _shown(face, call, thread))


async def get(face: Face, call: Call) -> Answer:
    """GET /threads/{thread_id}"""
    thread = await face.engine.thread(call.principal, await face.thread_id(call))
    return json_reply(await _shown(face, call, thread))


async def patch(face: Face, call: Call) -> Answer:
    """PATCH /threads/{thread_id}: metadata is merged, new values and messages make a new state."""
    thread_id = await face.thread_id(call)
    body = call.body()
    if call.surface is Surface.LANGGRAPH:
        refuse_given(body, _TTL)
        metadata = call.read(SdkThreadPatch, body).metadata
        thread = await face.engine.update_thread(call.principal, thread_id, metadata=metadata)
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
    """Merge into a thread's newest state; messages are appended. Raises ``InputInvalid``, ``ThreadNotFound``, and
    ``Conflict`` for a message that the thread has already."""
    thread = await face.engine.thread(call.principal, thread_id)
    changed = {k: v for k, v in values.items() if k != "messages"}
    if not changed and not messages:
        return await face.engine.update_thread(call.principal, thread_id, metadata=metadata) if metadata else thread
    if from_checkpoint is not None and checkpoint_number(thread_id, from_checkpoint) != thread.checkpoint:
        raise refuse("checkpoint", "a thread goes on from its newest state")
    new = [heard(message, f"messages.{n}") for n, message in enumerate(messages)]
    known = {m.get("id") for m in _list(thread.values.get("messages"))}
    for message in new:
        if message["id"] in known:
            raise Conflict(
                f"The thread has a message {message['id']!r} already; messages are appended, never replaced."
            )
        known.add(message["id"])
    return await face.engine.update_thread(
        call.principal, thread_id, metadata=metadata or None, values=changed or None, messages=new
    )


async def delete(face: Face, call: Call) -> Answer:
    """DELETE /threads/{thread_id}"""
    await face.engine.delete_thread(call.principal, await face.thread_id(call))
    return empty()


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
    body = call.body()
    refuse_given(body, {"extract": "read the values and take what is needed"})
    asked = call.read(SdkThreadSearch, body)
    if asked.sort_by not in (None, "created_at") or asked.sort_order != "desc":
        raise refuse("sort_by", "threads are listed by created_at, newest first")
    if asked.ids is not None:
        found = await _by_ids(face, call, asked)
    else:
        found = await face.engine.threads(call.principal, _filter(asked), asked.limit + 1, asked.offset)
    shown = [project_sdk.selected(await _shown(face, call, thread), asked.select) for thread in found[: asked.limit]]
    more: list[Header] = []
    if len(found) > asked.limit:
        more.append((b"x-pagination-next", str(asked.offset + asked.limit).encode()))
    return json_reply(shown, headers=more)


async def _by_ids(face: Face, call: Call, asked: SdkThreadSearch) -> Sequence[Thread]:
    found: list[Thread] = []
    for name in asked.ids or ():
        try:
            thread = await face.engine.thread(call.principal, name)
        except ThreadNotFound:
            continue
        if (asked.status in (None, thread.status.value)) and all(
            given.get(key) == value
            for given, wanted in ((thread.metadata, asked.metadata), (thread.values, asked.values))
            for key, value in wanted.items()
        ):
            found.append(thread)
    return found[asked.offset : asked.offset + asked.limit + 1]


async def count(face: Face, call: Call) -> Answer:
    """POST /threads/count"""
    asked = call.read(ThreadCount)
    number = 0
    while page := await face.engine.threads(call.principal, _filter(asked), _PAGE, number):
        number += len(page)
        if len(page) < _PAGE:
            break
    return json_reply(number)


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
