"""MCP over HTTP: one path, both eras.

A pure ASGI endpoint: it checks Host, Origin, headers and session, parses the body once, hands the message to the
kernel and writes the response. It decides the era by the message (``_meta``) and holds the headers against it.
Authentication, the limit of a body and everything else that is not MCP's come before it; the caller is
``scope["dragoman.principal"]``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from dragoman.agents.catalog import Catalog
from dragoman.engine import Engine
from dragoman.mcp import batches, eras, headers
from dragoman.mcp.batch_response import BatchResponse
from dragoman.mcp.call import Peer
from dragoman.mcp.errors import INVALID_REQUEST, ProtocolError, version_unsupported
from dragoman.mcp.guard import Guard
from dragoman.mcp.jsonrpc import Batch, Message, Notification, Reply, Request, error_bytes, parse
from dragoman.mcp.kernel import Answer, Kernel, declared_version, without_meta
from dragoman.mcp.responses import let_go, respond, respond_with
from dragoman.mcp.resume import Resuming
from dragoman.mcp.sealed import BadSeal
from dragoman.mcp.session_streams import SessionStreams
from dragoman.mcp.sessions import Sessions
from dragoman.mcp.settings import McpSettings
from dragoman.mcp.sse import HttpChannel
from dragoman.memory.errors import QueueFull
from dragoman.memory.model import Principal

__all__ = ["McpEndpoint", "routes"]

_SESSION: Final = b"mcp-session-id"
_WITHOUT_HEADER: Final = "2025-03-26"
"""What a request of the older era without session and without version header speaks ("Protocol Version Header")."""


def routes(engine: Engine, settings: McpSettings, catalog: Catalog | None = None) -> list[BaseRoute]:
    """The face's routes: ``settings.path``, with and without a slash at its end, since a redirect loses headers."""
    endpoint, methods = McpEndpoint(engine, settings, catalog), ["GET", "POST", "DELETE"]
    plain = settings.path.rstrip("/")
    paths = [plain, f"{plain}/"] if plain else ["/"]
    return [Route(path, endpoint, methods=methods) for path in paths]


class _Refused(Exception):
    """An HTTP status with a JSON-RPC error that says why."""

    def __init__(self, status: int, error: ProtocolError, extra: tuple[tuple[bytes, bytes], ...] = ()) -> None:
        self.status = status
        self.error = error
        self.extra = extra


def _refused(status: int, why: str, *extra: tuple[bytes, bytes]) -> _Refused:
    return _Refused(status, ProtocolError(INVALID_REQUEST, why), extra)


class McpEndpoint:
    """The MCP endpoint."""

    def __init__(self, engine: Engine, settings: McpSettings, catalog: Catalog | None = None) -> None:
        self._settings = settings
        self._kernel = Kernel(engine, settings, catalog)
        self._guard = Guard(settings)
        self._sessions = Sessions(engine, settings.session_ttl)
        self._streams = SessionStreams(self._kernel, self._sessions, settings.keepalive)
        self._resuming = Resuming(engine, self._kernel, settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            given = headers.collect(scope["headers"])
            refusal = self._guard.refusal(given)
            if refusal is not None:
                raise _refused(*refusal)
            principal: Principal = scope["dragoman.principal"]
            if scope["method"] == "POST":
                await self._post(principal, given, receive, send)
            elif scope["method"] == "DELETE":
                await self._delete(principal, given, send)
            else:
                await self._get(principal, given, receive, send)
        except ProtocolError as error:
            await respond(send, 400, error_bytes(error))
        except _Refused as refused:
            await respond(send, refused.status, error_bytes(refused.error), *refused.extra)

    # -- POST ---------------------------------------------------------------------------------------------------------
    async def _post(self, principal: Principal, given: Mapping[bytes, bytes], receive: Receive, send: Send) -> None:
        if not given.get(b"content-type", b"").lower().startswith(b"application/json"):
            raise _refused(415, "The body must be application/json.")
        message = parse(await self._body(given, receive))
        if isinstance(message, Request):
            peer, modern = await self._peer_of(principal, given, message)
            await self._request(peer, modern, message, given, receive, send)
            return
        if isinstance(message, Batch):
            await self._batch(principal, given, message, receive, send)
            return
        await self._one_way(principal, given, message)
        await respond(send, 202, b"")

    async def _body(self, given: Mapping[bytes, bytes], receive: Receive) -> bytes:
        most = self._settings.max_message
        told = given.get(b"content-length", b"")
        if told.isdigit() and int(told) > most:
            raise _refused(413, f"The message has {int(told)} bytes; {most} are the most that is taken.")
        message = await receive()
        body: bytes = message.get("body", b"")
        if not message.get("more_body"):
            return body
        chunks, size = [body], len(body)
        while message.get("more_body"):
            message = await receive()
            if message["type"] == "http.disconnect":
                raise _refused(400, "The connection closed within the body.")
            chunks.append(message.get("body", b""))
            size += len(chunks[-1])
            if size > most:
                raise _refused(413, f"The message has more than {most} bytes.")
        return b"".join(chunks)

    async def _peer_of(self, principal: Principal, given: Mapping[bytes, bytes], request: Request) -> tuple[Peer, bool]:
        """Who sends a request, and whether it is of the modern era; its headers fit it."""
        version: Any = declared_version(request)
        told = given.get(headers.VERSION)
        try:
            if version is not None:
                if isinstance(version, str):
                    headers.check(given, request, version)
                    self._kernel.check_params(given, request)
                return Peer(principal), True
            if told is not None and told.decode("latin-1") in eras.MODERN and request.method != "initialize":
                raise without_meta(request.method)
            return await self._older(principal, given, request.method == "initialize"), False
        except ProtocolError as error:
            error.id = request.id
            raise
        except _Refused as refused:
            refused.error.id = request.id
            raise

    async def _older(self, principal: Principal, given: Mapping[bytes, bytes], opens: bool) -> Peer:
        """A peer of the older era. One without a session is served without what a session would tell."""
        token = given.get(_SESSION)
        if token is not None and not opens:
            session = await self._sessions.find(principal, token.decode("latin-1"))
            if session is None:
                raise _refused(404, "No such session; begin again with initialize.")
            return Peer(principal, session, withdraws=session.id)
        told = given.get(headers.VERSION, _WITHOUT_HEADER.encode()).decode("latin-1")
        if told not in eras.OLDER and not opens:
            raise version_unsupported(told)
        return Peer(principal, version=told if told in eras.OLDER else eras.LATEST_OLDER)

    async def _request(
        self,
        peer: Peer,
        modern: bool,
        request: Request,
        given: Mapping[bytes, bytes],
        receive: Receive,
        send: Send,
    ) -> None:
        streams, rather = headers.streams(given)
        channel = HttpChannel(receive, send, streams, self._settings.keepalive)
        try:
            if peer.session is not None and self._resuming.takes(peer, request, streams):
                answer = await self._resuming.post(peer, peer.session, request, receive, send)
                if answer is None:
                    return
            else:
                answer = await self._kernel.request(peer, request, channel)
            extra = () if answer is None else await self._kept(peer, answer)
            if peer.session is not None and rather and not (answer and answer.scopes):
                await channel.open()
            await self._answer(channel, answer, modern, send, *extra)
        except asyncio.CancelledError:
            if not let_go(channel):
                raise
        finally:
            channel.stop()

    async def _batch(
        self, principal: Principal, given: Mapping[bytes, bytes], batch: Batch, receive: Receive, send: Send
    ) -> None:
        told = given.get(headers.VERSION, _WITHOUT_HEADER.encode()).decode("latin-1")
        if told in eras.MODERN:
            batches.check(batch, told)
        peer = await self._older(principal, given, False)
        batches.check(batch, peer.version if peer.session is None else peer.session.version)
        streams, rather = headers.streams(given)
        channel = HttpChannel(receive, send, streams, self._settings.keepalive)
        response = BatchResponse(channel)

        async def answer(request: Request) -> bytes | None:
            answer = await self._kernel.request(peer, request, response)
            if answer is not None:
                await self._kept(peer, answer)
            return None if answer is None else answer.body

        try:
            if rather and batch.requests:
                await channel.open()
            await batches.serve(batch, answer, partial(self._take, peer), response.add)
            body = await response.finish()
            if body is not None:
                await respond(send, 202 if not body else 200 if batch.requests else 400, body)
        except asyncio.CancelledError:
            if not let_go(channel):
                raise
        finally:
            channel.stop()

    async def _kept(self, peer: Peer, answer: Answer) -> tuple[tuple[bytes, bytes], ...]:
        """Keep the session that was opened, whose id is a header then, or what changed in one."""
        if answer.change is not None and peer.session is not None:
            changed = await self._sessions.change(peer.principal, peer.session.id, answer.change)
            if changed is not None:
                await self._streams.changed(changed)
        if answer.session is None:
            return ()
        opened = await self._sessions.open(peer.principal, answer.session)
        return ((_SESSION, opened.id.encode()),)

    @staticmethod
    async def _answer(
        channel: HttpChannel, answer: Answer | None, modern: bool, send: Send, *extra: tuple[bytes, bytes]
    ) -> None:
        if answer is None:  # taken back: a response without a message
            await channel.open()
        if channel.opened:
            await channel.close(None if answer is None else answer.body)
        elif answer is None:
            await respond(send, 202, b"")
        else:
            await respond_with(answer, modern, send, *extra)

    async def _one_way(self, principal: Principal, given: Mapping[bytes, bytes], message: Message) -> None:
        if given.get(headers.VERSION, b"").decode("latin-1") in eras.MODERN:
            if isinstance(message, Reply):
                raise _refused(400, "There are no requests of the server to reply to in this version.")
            return  # this version has no notification of clients over HTTP
        await self._take(await self._older(principal, given, False), message)

    async def _take(self, peer: Peer, message: Message) -> None:
        if isinstance(message, Notification):
            await self._kernel.notify(peer, message)
        elif isinstance(message, Reply):
            await self._kernel.reply(peer, message)

    # -- GET and DELETE, of the older era -----------------------------------------------------------------------------
    async def _get(self, principal: Principal, given: Mapping[bytes, bytes], receive: Receive, send: Send) -> None:
        """The stream for messages outside of a request; with ``Last-Event-ID`` the rest of a response."""
        if _SESSION not in given or b"text/event-stream" not in given.get(b"accept", b""):
            raise _refused(405, "GET opens the event stream of a session; requests are POSTed.", (b"allow", b"POST"))
        peer = await self._older(principal, given, False)
        assert peer.session is not None
        last = given.get(b"last-event-id")
        try:
            if last is None:
                await self._streams.serve(principal, peer.session, receive, send)
            else:
                await self._resuming.get(peer, peer.session, last.decode("latin-1"), receive, send)
        except BadSeal as error:
            raise _refused(400, f"Last-Event-ID: {error}") from None
        except QueueFull as error:
            raise _refused(409, error.message) from None

    async def _delete(self, principal: Principal, given: Mapping[bytes, bytes], send: Send) -> None:
        if _SESSION not in given:
            raise _refused(405, "DELETE ends a session, and none was named.", (b"allow", b"POST"))
        session = (await self._older(principal, given, False)).session
        if session is not None:
            await self._sessions.end(principal, session.id)
            self._streams.ended(session)
        await respond(send, 204, b"")
