"""uvicorn's HTTP/1.1 on httptools, with the bounds that it leaves to a proxy in front.

- A head has a size, a request a time to arrive in, and the server a number of connections.
- Trailers are not taken for headers (RFC 9110 section 6.5.1): they come when the headers have been judged.
- An offer to go on in another protocol (``Upgrade: h2c``, which Java's client makes with every first request) is not
  taken, and the request is served as if it had not been made (RFC 9110 section 7.8). httptools ends such a request
  with its head: the body would be lost, or taken for a request of its own. A WebSocket is taken, by uvicorn's own
  protocol, which is given the connection.

Not a server (``http_server``), not the limit of a body (``dragoman.auth``).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, ClassVar

from httptools import HttpParserError, HttpParserUpgrade
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from dragoman.memory.codec import dumps

__all__ = ["BoundedHttp", "Limits", "bounded"]

_LINGER = 1.0  # seconds in which a client that is cut off may read why


@dataclass(frozen=True, slots=True)
class Limits:
    """``head`` is in bytes, ``patience`` in seconds that a request may take to arrive; ``connections`` at once."""

    head: int = 65_536
    patience: float = 60.0
    connections: int = 4096


class _HeadTooLarge(Exception):
    """Raised within the parser, which then takes nothing more."""


def bounded(limits: Limits) -> type[BoundedHttp]:
    """The protocol with these limits, as ``uvicorn.Config`` takes it."""

    class Http(BoundedHttp):
        pass

    Http.limits = limits
    return Http


class BoundedHttp(HttpToolsProtocol):
    """One connection."""

    limits: ClassVar[Limits] = Limits()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._begun: object = None  # the scope whose head, chunk or trailers began before this read of the socket
        self._read = 0  # bytes of this read
        self._framing = 0  # bytes of the reads since, without any of a body
        self._deadline: asyncio.TimerHandle | None = None
        self._without_upgrade = b""
        self._refused = False
        self._handed_over = False

    # -- the connection -----------------------------------------------------------------------------------------------
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        if len(self.connections) > self.limits.connections:
            self._refuse(503, "too_many_connections", "Too many connections are open here; try again in a while.")
        else:
            self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._drop_deadline()

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        self._unset_keepalive_if_required()
        self._read = len(data)
        try:
            while data:
                data = self._feed(data)
        except HttpParserError as error:
            if isinstance(error.__context__, _HeadTooLarge):
                self._refuse_head()
            else:
                self._refuse(400, "bad_request", "This is not HTTP/1.1 as it should be.")
        else:
            if not self._handed_over:
                self._bound()

    def _feed(self, data: bytes) -> bytes:
        """What is left to read after the head of an offered upgrade, which is read again without the offer."""
        parser: Any = self.parser  # None once the connection is lost, when nothing comes any more
        try:
            parser.feed_data(data)
        except HttpParserUpgrade as upgrade:
            head, self._without_upgrade = self._without_upgrade, b""
            rest = data[upgrade.args[0] :]
            if not head:
                self._hand_over(rest)
                return b""
            parser.feed_data(head)
            return rest
        return b""

    def _hand_over(self, rest: bytes) -> None:
        """Give the connection to the WebSocket's protocol, with what came after the head."""
        self._drop_deadline()
        self._handed_over = True
        self.handle_websocket_upgrade()
        taken: Any = self.transport.get_protocol()
        if rest:
            taken.data_received(rest)

    def _bound(self) -> None:
        """Hold what has not arrived as a whole to its size and its time."""
        scope, cycle = self.scope, self._latest()
        if scope is not self._begun:
            self._begun, self._framing = scope, 0
        else:
            self._framing += self._read
            if self._framing > self.limits.head:
                self._refuse_head()
                return
        if cycle is None or cycle.scope is not scope or cycle.more_body or cycle.response_complete:
            if self._deadline is None:
                self._expect()
        else:
            self._drop_deadline()

    def _expect(self) -> None:
        self._deadline = self.loop.call_later(self.limits.patience, self._late)

    def _drop_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _late(self) -> None:
        cycle = self._latest()
        if cycle is not None and not (cycle.more_body or cycle.response_complete):
            self._expect()  # the request before it is still being answered
        else:
            self._refuse(408, "too_slow", f"A request has {self.limits.patience:g} seconds to arrive here.")

    def _latest(self) -> RequestResponseCycle | None:
        """The request whose head came last, and its answer; None before the first."""
        return self.cycle

    def _refuse_head(self) -> None:
        self._refuse(431, "head_too_large", f"A head has {self.limits.head:,} bytes here at most.")

    def _refuse(self, status: int, code: str, message: str) -> None:
        self._drop_deadline()
        cycle = self._latest()
        if self.pipeline or (cycle is not None and cycle.response_started and not cycle.response_complete):
            self.transport.abort()  # it would stand within another answer
            return
        if cycle is not None and not cycle.response_complete:
            cycle.disconnected = True  # for the application the client has left
            cycle.message_event.set()
        body = dumps({"code": code, "message": message, "detail": message})
        head = b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(body)
        self.transport.write(STATUS_LINE[status] + head + body)
        # Closed with unread bytes, the connection is reset, and the client may never see the answer.
        self._refused = True
        self.transport.write_eof()
        self._deadline = self.loop.call_later(_LINGER, self.transport.close)

    # -- the parser's callbacks ---------------------------------------------------------------------------------------
    def on_headers_complete(self) -> None:
        # The head came in one read, as it almost always does, which was no larger than a head may be: nothing to count.
        if (self._read > self.limits.head or self.scope is self._begun) and self._head_size() > self.limits.head:
            raise _HeadTooLarge
        parser: Any = self.parser
        if not parser.should_upgrade() or (method := parser.get_method()) == b"CONNECT":
            super().on_headers_complete()
            self.headers = []  # the scope keeps those of the head
            return
        if method == b"GET" and self._should_upgrade() and self._idle():
            super().on_headers_complete()
            return
        kept = [b"%b: %b\r\n" % header for header in self.headers if header[0] != b"upgrade"]
        version = parser.get_http_version().encode()
        self._without_upgrade = b"".join([b"%b %b HTTP/%b\r\n" % (method, self.url, version), *kept, b"\r\n"])

    def _idle(self) -> bool:
        """Whether no request before this one is still being answered."""
        cycle = self._latest()
        return cycle is None or cycle.response_complete

    def _head_size(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def on_body(self, body: bytes) -> None:
        self._begun = None
        super().on_body(body)

    def on_message_complete(self) -> None:
        if not self._without_upgrade:
            super().on_message_complete()
