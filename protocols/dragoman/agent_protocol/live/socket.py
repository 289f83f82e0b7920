"""The protocol over a WebSocket: commands and responses, and the events of the connection's subscriptions.

One reader of the thread serves all subscriptions of a connection, so that an event is sent once and in order, whoever
of them hears it; one that is added later is first told what lies between its beginning and where the reader is. The
server in front bounds a message's size, asks now and then whether the client lives, and checks Origin and caller.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing
from typing import Any, Final, NamedTuple

from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from dragoman.agent_protocol.endpoint import Call
from dragoman.agent_protocol.face import Face
from dragoman.agent_protocol.live.beginning import beginning
from dragoman.agent_protocol.live.commands import Commands
from dragoman.agent_protocol.live.errors import CommandRefused, error_response, refused
from dragoman.agent_protocol.live.filters import Filter, filter_of, position_of, snake
from dragoman.agent_protocol.live.source import LAST, Numbered, Source, log_seq_of, seq_of, seq_of_id, settles, wire
from dragoman.agent_protocol.narrow import is_list, is_object
from dragoman.agent_protocol.surface import Surface
from dragoman.memory.codec import dumps, loads
from dragoman.memory.errors import DragomanError, InputInvalid
from dragoman.memory.ids import uuid7
from dragoman.memory.model import Json

__all__ = ["Socket"]

_log = logging.getLogger("dragoman.agent_protocol")
_MOST: Final = 64
_GOING_AWAY, _TRY_AGAIN = 1001, 1013
Result = dict[str, Json]


class _Subscription(NamedTuple):
    heard: Filter
    begin: int

    def hears(self, event: Numbered) -> bytes | None:
        return wire(event, self.heard) if event.seq > self.begin else None


class Socket:
    """GET (WebSocket) /threads/{thread_id}/stream and /threads/{thread_id}/stream/events, as an ASGI app."""

    def __init__(self, face: Face) -> None:
        self._face = face

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        socket = WebSocket(scope, receive, send)
        await socket.accept()
        connection = _Connection(self._face, socket)
        try:
            await connection.run()
        except (WebSocketDisconnect, RuntimeError):  # starlette's way to say that the client is gone, while sending
            pass
        except TimeoutError:
            _log.info("thread %s: a client did not read its events and was cut off", connection.thread_id)
        finally:
            await connection.end()


class _Connection:
    def __init__(self, face: Face, socket: WebSocket) -> None:
        self._face = face
        self._engine = face.engine
        self._socket = socket
        call = Call(socket.scope, b"", Surface.LANGGRAPH)
        self._principal = call.principal
        self.thread_id = call.path("thread_id")
        self._client = call.header(b"user-agent")
        self._commands = Commands(face, call, self.thread_id)
        self._subscriptions: dict[str, _Subscription] = {}
        self._turn = asyncio.Lock()  # of who sends events
        self._at = 0
        self._pump: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Answer commands until the client is gone."""
        while True:
            message = await self._socket.receive()
            if message["type"] != "websocket.receive":
                return
            raw: Any = message.get("text") or message.get("bytes") or b""
            try:
                command = loads(raw.encode() if isinstance(raw, str) else raw)
            except ValueError:
                await self._send(dumps(error_response(None, "invalid_argument", "This is no JSON.")))
                continue
            await self._answer(command)

    async def end(self) -> None:
        """Stop listening."""
        await self._stop()

    async def _answer(self, command: Json) -> None:
        method = command.get("method") if is_object(command) else None
        does = {
            "subscription.subscribe": self._subscribe,
            "subscription.unsubscribe": self._unsubscribe,
            "subscription.reconnect": self._reconnect,
        }.get(method if isinstance(method, str) else "")
        id = command.get("id") if is_object(command) else None
        if does is None or not isinstance(id, int) or isinstance(id, bool):
            await self._send(dumps(await self._commands.answer(command)))
            return
        params = command.get("params")
        try:
            await does(id, snake(params) if is_object(params) else {})
        except DragomanError as error:
            await self._send(dumps(refused(id, error)))

    # -- subscriptions ------------------------------------------------------------------------------------------------
    async def _subscribe(self, id: int, params: dict[str, Any]) -> None:
        heard, since = filter_of(params), position_of(params)
        if len(self._subscriptions) >= _MOST:
            raise InputInvalid(f"A connection has at most {_MOST} subscriptions.")
        if since is None:
            since = await beginning(self._engine, self._principal, self.thread_id, self._client, self._face.unheard)
        async with self._turn:
            name, earlier = uuid7(), list(self._subscriptions.values())
            new = self._subscriptions[name] = _Subscription(heard, since)
            await self._succeed(id, {"subscription_id": name})
            if self._pump is None:
                self._at = since
                self._pump = asyncio.create_task(self._tell(since))
            elif since < self._at:
                await self._catch_up(new, earlier)

    async def _catch_up(self, new: _Subscription, earlier: list[_Subscription]) -> None:
        """Tell a new subscription what lies before where the reader is, but for what the client was sent already."""
        source = Source(self._engine, self._principal, self.thread_id)
        async with aclosing(source.events(new.begin, log_seq_of(self._at))) as events:
            async for event in events:
                if isinstance(event, bytes) or event.seq > self._at or any(s.hears(event) for s in earlier):
                    continue
                if (data := new.hears(event)) is not None:
                    await self._send(data)

    async def _unsubscribe(self, id: int, params: dict[str, Any]) -> None:
        name = params.get("subscription_id")
        if not isinstance(name, str) or self._subscriptions.pop(name, None) is None:
            raise CommandRefused("no_such_subscription", "This connection has no such subscription.")
        if not self._subscriptions:
            await self._stop()
        await self._succeed(id, {})

    async def _reconnect(self, id: int, params: dict[str, Any]) -> None:
        """Nothing of a connection outlives it: what is restored is what this one has. The rest is subscribed to anew,
        with ``since``."""
        tree = (await self._commands.tree(params))["tree"]
        named: Any = params.get("subscriptions") or []
        if not is_list(named):
            raise InputInvalid("subscriptions: must be a list.")
        last = params.get("last_event_id")
        after = 0 if last is None else seq_of_id(last)
        result: Result = {
            "restored": all(name in self._subscriptions for name in named),
            "missed_events": await self._missed(after),
            "current_namespaces": _flat(tree),
        }
        await self._succeed(id, result)

    async def _missed(self, after: int) -> int:
        last = (await self._engine.thread(self._principal, self.thread_id)).last_seq
        source = Source(self._engine, self._principal, self.thread_id)
        async with aclosing(source.events(after, last)) as events:
            return sum([1 async for _ in events])

    # -- sending ------------------------------------------------------------------------------------------------------
    async def _tell(self, since: int) -> None:
        source = Source(self._engine, self._principal, self.thread_id)
        try:
            async with aclosing(source.events(since)) as events:
                async for event in events:
                    async with self._turn:
                        await self._told(event)
        except DragomanError as error:  # the thread was deleted meanwhile
            _log.info("thread %s: its events were cut: %s", self.thread_id, error)
            await self._socket.close(_GOING_AWAY)
        except (WebSocketDisconnect, RuntimeError):
            return
        except TimeoutError:
            _log.info("thread %s: a client did not read its events and was cut off", self.thread_id)
            await self._socket.close(_TRY_AGAIN)

    async def _told(self, event: Numbered | bytes) -> None:
        if isinstance(event, bytes):
            await self._send(event)
            return
        self._at = event.seq
        data = next((d for s in self._subscriptions.values() if (d := s.hears(event)) is not None), None)
        if data is not None:
            await self._send(data)
            if settles(event):
                self._face.unheard.heard(self._principal, self.thread_id)

    async def _succeed(self, id: int, result: Result) -> None:
        meta = {"applied_through_seq": self._at or seq_of(0, LAST)}
        await self._send(dumps({"type": "success", "id": id, "result": result, "meta": meta}))

    async def _send(self, data: bytes) -> None:
        async with asyncio.timeout(self._face.settings.send_timeout):
            await self._socket.send_text(data.decode())

    async def _stop(self) -> None:
        pump, self._pump = self._pump, None
        if pump is not None:
            pump.cancel()
            await asyncio.gather(pump, return_exceptions=True)


def _flat(node: Json) -> list[Json]:
    entry = {"namespace": node["namespace"], "status": node["status"]}
    return [entry, *(found for child in node.get("children") or () for found in _flat(child))]
