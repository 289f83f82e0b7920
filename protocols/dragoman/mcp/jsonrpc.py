"""JSON-RPC 2.0 messages: bytes to plain values and back. No transport, no method, no version.

Every message is parsed once, and stays plain dicts from there on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dragoman.mcp.errors import INVALID_PARAMS, INVALID_REQUEST, PARSE_ERROR, ProtocolError
from dragoman.mcp.objects import is_object
from dragoman.memory.codec import dumps, loads
from dragoman.memory.model import Json

__all__ = ["Id", "Message", "Notification", "Reply", "Request", "error_bytes", "parse", "result_bytes"]

Id = str | int


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


def parse(raw: bytes | bytearray | memoryview) -> Message:
    """One message. Raises ``ProtocolError`` (parse error, invalid request, invalid params) with the id where it is
    legible."""
    try:
        value: Any = loads(raw)
    except ValueError as error:
        raise ProtocolError(PARSE_ERROR, f"Parse error: {error}.") from None
    if not is_object(value):
        what = "batches are not supported; send one message each" if isinstance(value, list) else "an object is needed"
        raise ProtocolError(INVALID_REQUEST, f"Invalid request: {what}.")
    return _message(value)


def _message(value: dict[str, Any]) -> Message:
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
