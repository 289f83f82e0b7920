"""Between ASGI and the handlers: a request as a ``Call``, an answer as an ASGI app, an error as its surface's answer.

Starlette routes; this does the rest, by hand because it stands on the hot path of every run. Knows no run and no
thread.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from pydantic import ValidationError
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from dragoman.agent_protocol.errors import MalformedBody, error_answer
from dragoman.agent_protocol.narrow import is_list, is_object
from dragoman.agent_protocol.surface import Surface, named_by_client
from dragoman.agent_protocol.wire import Body, Query
from dragoman.agents.signature import problems_of
from dragoman.memory.codec import dumps, loads
from dragoman.memory.errors import DragomanError, InputInvalid
from dragoman.memory.model import Json, Principal

__all__ = ["Answer", "Call", "Endpoint", "Handler", "Reply", "empty", "json_reply"]

B = TypeVar("B", bound=Body)
Q = TypeVar("Q", bound=Query)

Answer = Callable[[Scope, Receive, Send], Awaitable[None]]
Header = tuple[bytes, bytes]

_log = logging.getLogger("dragoman.agent_protocol")
# What can be in a state that does not fit, and for which Agent Protocol 0.1.6 knows no 409: its 422 says so.
_NO_CONFLICT = {
    ("DELETE", "/runs/{run_id}"),
    ("POST", "/runs/{run_id}/cancel"),
    ("DELETE", "/threads/{thread_id}"),
    ("PATCH", "/threads/{thread_id}"),
    ("POST", "/threads/{thread_id}/copy"),
}
_TYPE: Header = (b"content-type", b"application/json")


class Reply:
    """An answer in one piece."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, body: bytes, headers: Sequence[Header] = ()) -> None:
        self.status = status
        self.body = body
        self.headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [*self.headers]
        if self.status != 204:
            headers.append((b"content-length", b"%d" % len(self.body)))
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body})


def json_reply(value: Json, status: int = 200, headers: Sequence[Header] = ()) -> Reply:
    """A JSON answer."""
    return Reply(status, dumps(value), (_TYPE, *headers))


def empty(status: int = 204) -> Reply:
    """An answer without a body; 202 has an empty JSON object, which the SDK reads."""
    return Reply(204, b"") if status == 204 else json_reply({}, status)


class Call:
    """One request. ``surface`` is the surface it speaks as far as that is known; a handler that reads the body may
    know more."""

    __slots__ = ("_raw", "principal", "scope", "surface")

    def __init__(self, scope: Scope, raw: bytes, surface: Surface) -> None:
        self.scope = scope
        self.surface = surface
        self.principal: Principal = scope["dragoman.principal"]
        self._raw = raw

    def path(self, name: str) -> str:
        """A parameter of the path."""
        value: str = self.scope["path_params"][name]
        return value

    def header(self, name: bytes) -> str | None:
        """A header, by its lower-case name."""
        for key, value in self.scope["headers"]:
            if key == name:
                text: str = value.decode("latin-1")
                return text
        return None

    def query(self) -> dict[str, list[str]]:
        """The query's parameters, empty values included."""
        found: dict[str, list[str]] = {}
        for name, value in parse_qsl(self.scope["query_string"].decode("latin-1"), keep_blank_values=True):
            found.setdefault(name, []).append(value)
        return found

    def body(self) -> dict[str, Json]:
        """The body, a JSON object; none at all is an empty one. Raises ``MalformedBody``, ``InputInvalid``."""
        if not self._raw:
            return {}
        try:
            value = loads(self._raw)
        except ValueError as error:
            raise MalformedBody(f"The body cannot be read: {error}.") from None
        if not is_object(value):
            raise InputInvalid("The body must be a JSON object.", ({"field": "", "problem": "must be an object"},))
        return value

    def items(self) -> list[Any]:
        """The body, a JSON list. Raises ``MalformedBody``, ``InputInvalid``."""
        try:
            value = loads(self._raw or b"null")
        except ValueError as error:
            raise MalformedBody(f"The body cannot be read: {error}.") from None
        if not is_list(value):
            raise InputInvalid("The body must be a JSON list.", ({"field": "", "problem": "must be a list"},))
        return value

    def read(self, model: type[B], body: dict[str, Json] | None = None) -> B:
        """The body as a model. Raises ``MalformedBody``, or ``InputInvalid`` naming each field that is wrong."""
        given = self.body() if body is None else body
        if None in given.values():
            if self.surface is Surface.AGENT_PROTOCOL:
                _refuse_nulls(model, given)
            given = {k: v for k, v in given.items() if v is not None or k in model.nullable}
        try:
            return model.model_validate(given)
        except ValidationError as error:
            raise problems_of(error, "body") from None

    def read_query(self, model: type[Q]) -> Q:
        """The query as a model: a parameter given once as text, one given several times as a list. Raises
        ``InputInvalid``."""
        given = {name: values[0] if len(values) == 1 else values for name, values in self.query().items()}
        try:
            return model.model_validate(given)
        except ValidationError as error:
            raise problems_of(error, "query") from None


Handler = Callable[[Call], Awaitable[Answer]]


class Endpoint:
    """A handler as an ASGI app. ``surface`` None asks the client's name."""

    def __init__(self, handler: Handler, surface: Surface | None, unnamed: Surface) -> None:
        self._handler = handler
        self._surface = surface
        self._unnamed = unnamed
        self._told_as_invalid = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        raw = b"" if scope["method"] in ("GET", "HEAD") else await _body(receive)
        if raw is None:
            return
        surface = self._surface or named_by_client(scope["headers"], self._unnamed)
        call = Call(scope, raw, surface)
        try:
            answer = await self._handler(call)
        except Exception as error:
            answer = _refusal(error, call, self._told_as_invalid)
        await answer(scope, receive, send)

    def at(self, path: str, method: str) -> Route:
        """A route to it."""
        self._told_as_invalid = (method, path) in _NO_CONFLICT
        return Route(path, endpoint=self, methods=[method], name=f"agent_protocol {method} {path}")


def _refuse_nulls(model: type[Body], given: dict[str, Json]) -> None:
    nulls = [k for k, v in given.items() if v is None and k in model.model_fields and k not in model.nullable]
    if nulls:
        problems = tuple({"field": name, "problem": "must not be null"} for name in nulls)
        raise InputInvalid(f"Invalid body: {', '.join(nulls)}: must not be null.", problems)


def _refusal(error: Exception, call: Call, told_as_invalid: bool) -> Reply:
    if not isinstance(error, DragomanError):
        _log.exception("%s %s failed", call.scope["method"], call.scope["path"], exc_info=error)
    status, body, headers = error_answer(error, call.surface)
    if status == 409 and told_as_invalid and call.surface is Surface.AGENT_PROTOCOL:
        status = 422
    return json_reply(body, status, headers)


async def _body(receive: Receive) -> bytes | None:
    """The whole body, or None when the client left before its end. What ``receive`` raises is for the layers above."""
    message: Any = await receive()
    if message["type"] == "http.request" and not message.get("more_body", False):
        whole: bytes = message.get("body", b"")
        return whole
    chunks: list[bytes] = []
    while message["type"] == "http.request":
        chunks.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(chunks)
        message = await receive()
    return None
