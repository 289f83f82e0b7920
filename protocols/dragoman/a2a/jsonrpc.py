"""The JSON-RPC binding: bytes to a call, a call to bytes (A2A 1.0, section 9). No HTTP here but names of headers.

Every request is parsed once and stays plain objects; protobuf would cost more than the durable run. Methods of 0.3 are
known by name only: ``legacy`` speaks that version.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast
from urllib.parse import parse_qsl

from dragoman.a2a.errors import (
    CONTENT_TYPE_NOT_SUPPORTED,
    INTERNAL,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    PARSE_ERROR,
    VERSION_NOT_SUPPORTED,
    Fault,
    fault_of,
    invalid,
)
from dragoman.a2a.service import Params, TaskService, Updates
from dragoman.memory.codec import dumps, loads
from dragoman.memory.model import Json, Principal

__all__ = [
    "LEGACY_METHODS",
    "METHODS",
    "STREAMS",
    "VERSIONS",
    "Call",
    "Id",
    "Refused",
    "check_content_type",
    "check_id",
    "error_bytes",
    "fault_for",
    "parse",
    "result_bytes",
    "version_for",
    "version_of",
]

Id = str | int | float | None
Headers = Iterable[tuple[bytes, bytes]]
Verb = Callable[[TaskService, Principal, Params], Awaitable[dict[str, Json]]]
Stream = Callable[[TaskService, Principal, Params], Awaitable[Updates]]

VERSIONS: Final = ("1.0", "0.3")
"""The versions that are served, as Major.Minor, the newest first."""

METHODS: Final[Mapping[str, Verb]] = {
    "SendMessage": TaskService.send,
    "GetTask": TaskService.get,
    "ListTasks": TaskService.list_tasks,
    "CancelTask": TaskService.cancel,
    "CreateTaskPushNotificationConfig": TaskService.create_push_config,
    "GetTaskPushNotificationConfig": TaskService.get_push_config,
    "ListTaskPushNotificationConfigs": TaskService.list_push_configs,
    "DeleteTaskPushNotificationConfig": TaskService.delete_push_config,
    "GetExtendedAgentCard": TaskService.extended_card,
}
STREAMS: Final[Mapping[str, Stream]] = {
    "SendStreamingMessage": TaskService.stream,
    "SubscribeToTask": TaskService.subscribe,
}
LEGACY_METHODS: Final = frozenset(
    {
        "message/send",
        "message/stream",
        "tasks/get",
        "tasks/cancel",
        "tasks/resubscribe",
        "tasks/pushNotificationConfig/set",
        "tasks/pushNotificationConfig/get",
        "tasks/pushNotificationConfig/list",
        "tasks/pushNotificationConfig/delete",
        "agent/getAuthenticatedExtendedCard",
    }
)

_VERSION: Final = re.compile(r"(\d{1,4}\.\d{1,4})(\.\d+)?")
_log = logging.getLogger("dragoman.a2a")


@dataclass(frozen=True, slots=True)
class Call:
    """A request that is well formed. ``body`` is all of it."""

    id: Id
    method: str
    params: Mapping[str, Any]
    body: dict[str, Any]


class Refused(Exception):
    """A request that is not a call: why, and its id where it can be read."""

    def __init__(self, fault: Fault, id: Id = None) -> None:
        super().__init__(fault.message)
        self.fault = fault
        self.id = id


def parse(raw: bytes | bytearray) -> Call:
    """One JSON-RPC 2.0 request. Raises ``Refused``."""
    try:
        body: Any = loads(raw)
    except ValueError as error:
        raise Refused(Fault(PARSE_ERROR, f"Parse error: {error}.")) from None
    if not isinstance(body, dict):
        what = "a batch is not supported; send one request at a time" if isinstance(body, list) else "not an object"
        raise Refused(Fault(INVALID_REQUEST, f"Invalid request: {what}."))
    return _call(body)  # pyright: ignore[reportUnknownArgumentType]


def _call(body: dict[str, Any]) -> Call:
    id = body.get("id")
    if isinstance(id, bool) or not (id is None or isinstance(id, (str, int, float))):
        raise Refused(Fault(INVALID_REQUEST, 'Invalid request: "id" must be a string, a number or null.'))
    if body.get("jsonrpc") != "2.0":
        raise Refused(Fault(INVALID_REQUEST, 'Invalid request: "jsonrpc" must be "2.0".'), id)
    method = body.get("method")
    if not isinstance(method, str) or not method:
        raise Refused(Fault(INVALID_REQUEST, 'Invalid request: "method" must be a string.'), id)
    params = body.get("params")
    if params is not None and not isinstance(params, dict):
        raise Refused(invalid("params", "must be an object"), id)
    return Call(id, method, cast("dict[str, Any]", params or {}), body)


def check_id(call: Call) -> None:
    """Raise ``Refused`` for a call without an id. What else is wrong with one is told before."""
    if "id" not in call.body:
        raise Refused(Fault(INVALID_REQUEST, 'Invalid request: "id" is missing, and A2A has no notifications.'))


def check_content_type(headers: Headers) -> None:
    """Raise ``Fault`` unless the body says it is JSON (section 9.1). What a browser sends unasked never does."""
    given = _header(headers, b"content-type")
    if given == b"application/json":
        return
    kind = given.partition(b";")[0].strip().lower()
    if kind != b"application/json" and not kind.endswith(b"+json"):
        raise Fault(
            CONTENT_TYPE_NOT_SUPPORTED,
            f"The content type {kind[:80].decode('latin-1') or 'none'!r} is not supported; send application/json.",
        )


def version_of(headers: Headers, query: bytes) -> str:
    """The A2A-Version of a request, a header or a query parameter, as it was sent; empty when there is none."""
    version = _header(headers, b"a2a-version").decode("latin-1").strip()
    if not version and b"a2a-version" in query.lower():
        pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
        version = next((value.strip() for name, value in pairs if name.lower() == "a2a-version"), "")
    return version


def version_for(sent: str, method: str) -> str:
    """The version, of ``VERSIONS``, that a method is to be understood in (section 3.6.2). Raises ``Fault``."""
    told = _VERSION.fullmatch(sent or "0.3")
    version = told[1] if told else ""
    if version not in VERSIONS:
        raise _unsupported(f"A2A version {sent[:40]!r} is not supported; this agent speaks {' and '.join(VERSIONS)}.")
    newer = method in METHODS or method in STREAMS
    if version == "0.3" and newer:
        taken = "" if sent else ", as which a request without a version is taken"
        raise _unsupported(f"{method} is not a method of A2A 0.3{taken}; send the header A2A-Version: 1.0.")
    if not (newer or (version == "0.3" and method in LEGACY_METHODS)):
        raise Fault(METHOD_NOT_FOUND, f"A2A {version} has no method {method[:80]!r}.")
    return version


def _unsupported(message: str) -> Fault:
    return Fault(VERSION_NOT_SUPPORTED, message, {"supportedVersions": ",".join(VERSIONS)})


def result_bytes(id: Id, result: Json) -> bytes:
    """A response."""
    return dumps({"jsonrpc": "2.0", "id": id, "result": result})


def error_bytes(id: Id, fault: Fault) -> bytes:
    """An error response (section 9.5)."""
    return dumps({"jsonrpc": "2.0", "id": id, "error": fault.to_jsonrpc()})


def fault_for(error: Exception) -> Fault:
    """What to tell of an error. One that is not a domain error is logged, and told without its cause."""
    fault = fault_of(error)
    if fault is None:
        _log.error("a call failed: %s", error, exc_info=error)
        return Fault(INTERNAL, "Internal error.")
    return fault


def _header(headers: Headers, name: bytes) -> bytes:
    for key, value in headers:
        if key == name:
            return value
    return b""
