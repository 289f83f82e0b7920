"""JSON-RPC 2.0 messages and batches of them: bytes to plain values and back. No transport, no method, no version.

Every message is parsed once, and stays plain dicts from there on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from dragoman.mcp.errors import INVALID_PARAMS, INVALID_REQUEST, PARSE_ERROR, ProtocolError
from dragoman.mcp.objects import is_array, is_object
from dragoman.memory.codec import dumps, loads
from dragoman.memory.model import Json

__all__ = [
    "MOST_IN_BATCH",
    "Batch",
    "Id",
    "Message",
    "Notification",
    "Reply",
    "Request",
    "error_bytes",
    "parse",
    "result_bytes",
]

Id = str | int

MOST_IN_BATCH: Final = 100


@dataclass(slots=True)
class Request:
    """A request that is owed a response."""

    id: Id
    method: str
    params: Mapping[str, Json]


@dataclass(slots=True)
class Notification:
    """A message that is owed nothing."""

    method: str
    params: Mapping[str, Json]


@dataclass(slots=True)
class Reply:
    """A client's response to a request of ours: a result or an error."""

    id: Id
    result: Mapping[str, Json] | None
    error: Mapping[str, Json] | None


Message = Request | Notification | Reply


@dataclass(slots=True)
class Batch:
    """Messages that were sent at once; what is none is the error that is owed for it. One version has these."""

    parts: tuple[Message | ProtocolError, ...]

    @property
    def requests(self) -> list[Request]:
        """Those that are owed a response."""
        return [part for part in self.parts if isinstance(part, Request)]


def parse(raw: bytes | bytearray | memoryview) -> Message | Batch:
    """What was sent. Raises ``ProtocolError`` (parse error, invalid request, invalid params) with the id where it is
    legible."""
    try:
        value: Any = loads(raw)
    except ValueError as error:
        raise ProtocolError(PARSE_ERROR, f"Parse error: {error}.") from None
    return _batch(value) if is_array(value) else _message(value)


def _batch(values: Sequence[Any]) -> Batch:
    if not 1 <= len(values) <= MOST_IN_BATCH:
        told = f"a batch has 1 to {MOST_IN_BATCH} messages, and this one {len(values)}"
        raise ProtocolError(INVALID_REQUEST, f"Invalid request: {told}.")
    return Batch(tuple(_part(value) for value in values))


def _part(value: Any) -> Message | ProtocolError:
    try:
        return _message(value)
    except ProtocolError as error:
        return error


def _message(value: Any) -> Message:
    if not is_object(value):
        raise ProtocolError(INVALID_REQUEST, "Invalid request: an object is needed.")
    id = value.get("id")
    legible = isinstance(id, str) or (isinstance(id, int) and not isinstance(id, bool))
    known: Id | None = id if legible else None
    if value.get("jsonrpc") != "2.0":
        raise ProtocolError(INVALID_REQUEST, 'Invalid request: "jsonrpc" must be "2.0".', id=known)
    if "id" in value and known is None:
        raise ProtocolError(INVALID_REQUEST, 'Invalid request: "id" must be a string or an integer.')
    method = value.get("method")
    if method is None and known is not None and ("result" in value or "error" in value):
        return Reply(known, _object(value, "result", known), _object(value, "error", known))
    if not isinstance(method, str):
        raise ProtocolError(INVALID_REQUEST, 'Invalid request: "method" must be a string.', id=known)
    params: Any = value.get("params")
    if params is None:
        params = {}
    elif not is_object(params):
        raise ProtocolError(INVALID_PARAMS, '"params" must be an object.', id=known)
    return Notification(method, params) if known is None else Request(known, method, params)


def _object(value: Mapping[str, Any], key: str, id: Id) -> Mapping[str, Json] | None:
    member = value.get(key)
    if member is not None and not is_object(member):
        raise ProtocolError(INVALID_REQUEST, f'Invalid request: "{key}" must be an object.', id=id)
    return member


def result_bytes(id: Id, result: Mapping[str, Json] | bytes) -> bytes:
    """A response; ``result`` may be JSON made earlier."""
    if isinstance(result, bytes):
        return b'{"jsonrpc":"2.0","id":%b,"result":%b}' % (dumps(id), result)
    return dumps({"jsonrpc": "2.0", "id": id, "result": result})


def error_bytes(error: ProtocolError, id: Id | None = None) -> bytes:
    """An error response; without ``id`` where none could be read (the schema has no null there)."""
    body: dict[str, Json] = {"code": error.code, "message": error.message}
    if error.data is not None:
        body["data"] = error.data
    named = error.id if id is None else id
    return dumps({"jsonrpc": "2.0", **({} if named is None else {"id": named}), "error": body})
