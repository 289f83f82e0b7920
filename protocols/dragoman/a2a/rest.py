"""The HTTP+JSON binding: a path to an operation, a result and a fault to bytes (A2A 1.0, section 11). No ASGI here.

Paths are relative to an interface's address, and may begin with a tenant. Parameters of a query are those of the
operation's request object by their JSON names; what they mean is checked where every binding's are, in ``params``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, cast
from urllib.parse import parse_qsl

from dragoman.a2a.errors import (
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    PARSE_ERROR,
    VERSION_NOT_SUPPORTED,
    Fault,
    invalid,
)
from dragoman.a2a.jsonrpc import VERSIONS
from dragoman.memory.codec import dumps, loads
from dragoman.memory.model import Json

__all__ = ["LEGACY", "Target", "WrongMethod", "check_version", "error_bytes", "find", "read_params"]

LEGACY: Final = "v1"
"""What paths of A2A 0.3 begin with."""

_CONFIGS: Final = "pushNotificationConfigs"
_BOOLEANS: Final[Mapping[str, bool]] = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Target:
    """An operation by its name in every binding (section 5.3), what the path says of it, and the tenant."""

    operation: str
    params: Mapping[str, str]
    tenant: str = ""


class WrongMethod(Exception):
    """The path is known, but not by this HTTP method. ``allowed`` are those it is known by."""

    def __init__(self, allowed: tuple[str, ...]) -> None:
        super().__init__(", ".join(allowed))
        self.allowed = allowed


def find(method: str, path: str) -> Target:
    """The operation of a request. Raises ``WrongMethod``, and ``Fault`` for a path that is none."""
    segments = path.strip("/").split("/")
    for tenant, rest in (("", segments), (segments[0], segments[1:])):
        operations, params = _at(rest)
        if operations:
            operation = operations.get(method)
            if operation is None:
                raise WrongMethod(tuple(operations))
            return Target(operation, params, tenant)
    raise Fault(METHOD_NOT_FOUND, f"There is no operation at {path[:200]!r}; see section 11.3 of A2A 1.0.")


def _at(segments: list[str]) -> tuple[Mapping[str, str], dict[str, str]]:
    """The operations at a path by HTTP method, and the parameters in it; none where there is none."""
    match segments:
        case ["message:send"]:
            return {"POST": "SendMessage"}, {}
        case ["message:stream"]:
            return {"POST": "SendStreamingMessage"}, {}
        case ["extendedAgentCard"]:
            return {"GET": "GetExtendedAgentCard"}, {}
        case ["tasks"]:
            return {"GET": "ListTasks"}, {}
        case ["tasks", named] if named:
            return _task(named)
        case ["tasks", task_id, name] if task_id and name == _CONFIGS:
            operations = {"GET": "ListTaskPushNotificationConfigs", "POST": "CreateTaskPushNotificationConfig"}
            return operations, {"taskId": task_id}
        case ["tasks", task_id, name, config_id] if task_id and config_id and name == _CONFIGS:
            operations = {"GET": "GetTaskPushNotificationConfig", "DELETE": "DeleteTaskPushNotificationConfig"}
            return operations, {"taskId": task_id, "id": config_id}
        case _:
            return {}, {}


def _task(named: str) -> tuple[Mapping[str, str], dict[str, str]]:
    task_id, colon, verb = named.rpartition(":")
    if colon and verb == "cancel":
        return {"POST": "CancelTask"}, {"id": task_id}
    if colon and verb == "subscribe":  # the .proto file says GET, section 11.3.2 says POST
        return {"GET": "SubscribeToTask", "POST": "SubscribeToTask"}, {"id": task_id}
    return {"GET": "GetTask"}, {"id": named}


def check_version(sent: str) -> None:
    """Raise ``Fault`` unless a path of 1.0 is asked for in that version (section 3.6.2)."""
    if sent != VERSIONS[0] and not sent.startswith(f"{VERSIONS[0]}."):
        said = f"A2A version {sent[:40]!r}" if sent else "A2A 0.3, as which a request without a version is taken,"
        raise Fault(
            VERSION_NOT_SUPPORTED,
            f"{said} is not supported at this path; send the header A2A-Version: 1.0 (0.3 has paths below /v1).",
            {"supportedVersions": ",".join(VERSIONS)},
        )


def read_params(target: Target, query: bytes, body: bytes | bytearray) -> dict[str, Any]:
    """The request object of an operation: from the path, and from the body where there is one, else from the query.

    Raises ``Fault`` for a body that is no JSON object.
    """
    given = _object(body) if body else _query(query)
    if target.tenant:
        given["tenant"] = target.tenant
    return {**given, **target.params}


def error_bytes(fault: Fault) -> bytes:
    """The body of an error: a google.rpc.Status under ``error`` (section 11.6)."""
    return dumps(
        {
            "error": {
                "code": fault.kind.http,
                "status": fault.kind.grpc,
                "message": fault.message,
                "details": cast("Json", fault.details()),
            }
        }
    )


def _object(body: bytes | bytearray) -> dict[str, Any]:
    try:
        given: Any = loads(body)
    except ValueError as error:
        raise Fault(PARSE_ERROR, f"The body is not JSON: {error}.") from None
    if not isinstance(given, dict):
        raise Fault(INVALID_REQUEST, "The body must be a JSON object.")
    return cast("dict[str, Any]", given)


def _query(query: bytes) -> dict[str, Any]:
    """Parameters of a query; strings, but for the booleans, which ``params`` does not take as strings."""
    given: dict[str, Any] = {}
    for name, value in parse_qsl(query.decode("latin-1"), keep_blank_values=True):
        if name in ("includeArtifacts", "include_artifacts"):
            if value not in _BOOLEANS:
                raise invalid(name, "must be true or false")
            given[name] = _BOOLEANS[value]
        else:
            given[name] = value
    return given
