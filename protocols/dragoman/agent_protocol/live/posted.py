"""The protocol over HTTP: ``POST …/stream`` answers with server-sent events, ``POST …/commands`` with a response."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing

from starlette.types import Receive, Scope, Send

from dragoman.agent_protocol.endpoint import Answer, Call, json_reply
from dragoman.agent_protocol.errors import MalformedBody, error_answer
from dragoman.agent_protocol.face import Face
from dragoman.agent_protocol.live.beginning import beginning
from dragoman.agent_protocol.live.commands import Commands
from dragoman.agent_protocol.live.errors import error_response, refused
from dragoman.agent_protocol.live.filters import Filter, filter_of, position_of, snake
from dragoman.agent_protocol.live.source import Source, settles, wire
from dragoman.agent_protocol.sse import streamed
from dragoman.asgi import Outcome
from dragoman.memory.errors import DragomanError, InputInvalid

__all__ = ["command", "stream"]

_log = logging.getLogger("dragoman.agent_protocol")


async def command(face: Face, call: Call) -> Answer:
    """POST /threads/{thread_id}/commands. A command that is refused is answered all the same, in the protocol's form
    (0.1.6, StreamingCommandResponse); a server that has no room answers 429 or 503, which clients try again."""
    try:
        given = call.body()
    except (MalformedBody, InputInvalid) as error:
        return json_reply(error_response(None, "invalid_argument", error.message), 422)
    method = given.get("method")
    if isinstance(method, str) and method.startswith("subscription."):
        problem = "Subscriptions are a WebSocket's; over HTTP a stream is its own: POST …/stream."
        return json_reply(error_response(given.get("id"), "not_supported", problem))
    commands = Commands(face, call, call.path("thread_id"))
    answer = await commands.answer(given)
    if commands.busy is None:
        return json_reply(answer)
    status, _, headers = error_answer(commands.busy, call.surface)
    return json_reply(answer, status, headers)


async def stream(face: Face, call: Call) -> Answer:
    """POST /threads/{thread_id}/stream and /threads/{thread_id}/stream/events"""
    try:
        params = snake(call.body())
        heard, since = filter_of(params), position_of(params)
    except DragomanError as error:
        return json_reply({**refused(None, error), "detail": error.message}, 422)
    thread_id = call.path("thread_id")
    if since is None:
        client = call.header(b"user-agent")
        since = await beginning(face.engine, call.principal, thread_id, client, face.unheard)
    return EventStream(face, call, thread_id, heard, since)


class EventStream:
    """The answer that streams a thread's events after a number; the connection is the subscription."""

    def __init__(self, face: Face, call: Call, thread_id: str, heard: Filter, since: int) -> None:
        self._face = face
        self._principal = call.principal
        self._thread_id = thread_id
        self._heard = heard
        self._since = since

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if await streamed(self.frames(), self._face.settings, receive, send) is Outcome.STUCK:
            _log.info("thread %s: a client did not read its events and was cut off", self._thread_id)

    async def frames(self) -> AsyncGenerator[bytes]:
        """The stream's bytes, an event at a time."""
        source = Source(self._face.engine, self._principal, self._thread_id)
        try:
            async with aclosing(source.events(self._since)) as events:
                async for event in events:
                    if isinstance(event, bytes):
                        yield b"event: gap\r\ndata: %b\r\n\r\n" % event
                        continue
                    data = wire(event, self._heard)
                    if data is not None:
                        yield b"event: %b\r\ndata: %b\r\nid: %d\r\n\r\n" % (event.told.method.encode(), data, event.seq)
                        if settles(event):
                            self._face.unheard.heard(self._principal, self._thread_id)
        except DragomanError as error:  # the thread was deleted meanwhile
            _log.info("thread %s: its events were cut: %s", self._thread_id, error)
