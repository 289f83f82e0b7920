"""Joining a thread's stream: GET /threads/{thread_id}/stream, as ``langgraph-sdk`` asks for it."""

from __future__ import annotations

from urllib.parse import quote

from dragoman.agent_protocol.endpoint import Answer, Call
from dragoman.agent_protocol.face import Face
from dragoman.agent_protocol.sse import Position, position
from dragoman.agent_protocol.thread_stream import ThreadStream
from dragoman.agent_protocol.wire_sdk import ThreadJoinQuery

__all__ = ["join"]


async def join(face: Face, call: Call) -> Answer:
    """GET /threads/{thread_id}/stream. ``Location`` carries the modes: a client that comes back says nothing of
    them."""
    asked = call.read_query(ThreadJoinQuery)
    thread = await face.engine.thread(call.principal, await face.thread_id(call))
    modes = [str(mode) for mode in asked.stream_mode or ("run_modes",)]
    after = position(call.header(b"last-event-id")) or Position(thread.last_seq)
    query = "&".join(f"stream_mode={mode}" for mode in modes)
    where = f"/threads/{quote(thread.id, safe='')}/stream?{query}"
    return ThreadStream(face.engine, face.settings, call.principal, thread.id, modes, after, where)
