"""The gRPC binding: each method of the protocol's service over ``service``, for all agents (A2A 1.0, section 10).

Protobuf is spoken at this edge alone. One port serves every agent: a request's ``tenant``, which cards tell for this
binding, names the agent, and the default agent answers without. Not the server that listens: ``grpc_server`` is.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import Any, Final, cast

import grpc
from google.protobuf import message_factory
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message import Message
from google.rpc import (  # type: ignore[import-untyped]  # pyright: ignore[reportMissingTypeStubs]
    error_details_pb2,
    status_pb2,
)

from a2a.types import a2a_pb2 as pb
from dragoman.a2a import jsonrpc
from dragoman.a2a.asked import asked_by
from dragoman.a2a.errors import UNAUTHENTICATED, VERSION_NOT_SUPPORTED, Fault
from dragoman.a2a.http import no_agent
from dragoman.a2a.service import TaskService, check_tenant
from dragoman.memory.model import Principal

__all__ = ["Authenticate", "GrpcCalls", "handlers"]

Headers = list[tuple[bytes, bytes]]
Authenticate = Callable[[Headers], Awaitable[Principal | None]]
"""Who calls, by the metadata of a call, with names in lower case; None for who may not."""

Context = grpc.aio.ServicerContext[Any, Any]

_SERVICE: Final = pb.DESCRIPTOR.services_by_name["A2AService"]
_DETAILS: Final = "grpc-status-details-bin"
_KNOWN: Final = error_details_pb2.ErrorInfo  # its module must be imported for details to be packed


class GrpcCalls:
    """The calls of every agent. ``default`` is the agent of requests that name none."""

    def __init__(
        self, services: Mapping[str, TaskService], default: str | None, authenticate: Authenticate, challenge: str
    ) -> None:
        """``challenge`` tells who may not call how to come in."""
        self._services = services
        self._default = default
        self._authenticate = authenticate
        self._challenge = challenge

    def unary(self, name: str, output: type[Message]) -> Callable[[Message, Context], Awaitable[Message]]:
        """The handler of a method that gives one answer."""
        verb = jsonrpc.METHODS[name]

        async def call(request: Message, context: Context) -> Message:
            try:
                service, principal, params = await self._prepare(request, context)
                return ParseDict(await verb(service, principal, params), output(), ignore_unknown_fields=True)
            except Exception as error:
                return await _abort(context, jsonrpc.fault_for(error))

        return call

    def stream(self, name: str, output: type[Message]) -> Callable[[Message, Context], AsyncGenerator[Message, None]]:
        """The handler of a method that gives a stream."""
        verb = jsonrpc.STREAMS[name]

        async def call(request: Message, context: Context) -> AsyncGenerator[Message, None]:
            try:
                service, principal, params = await self._prepare(request, context)
                async with aclosing(await verb(service, principal, params)) as updates:
                    async for _, update in updates:
                        yield ParseDict(update, output(), ignore_unknown_fields=True)
            except Exception as error:
                await _abort(context, jsonrpc.fault_for(error))

        return call

    async def _prepare(self, request: Message, context: Context) -> tuple[TaskService, Principal, dict[str, Any]]:
        """What a call needs. Raises ``Fault``."""
        headers = [(name.encode(), _bytes(value)) for name, value in context.invocation_metadata() or ()]
        principal = await self._authenticate(headers)
        if principal is None:
            raise Fault(UNAUTHENTICATED, self._challenge)
        _check_version(jsonrpc.version_of(headers, b""))
        params = _whole(MessageToDict(request))
        agent = _agent(str(params.get("tenant") or ""), self._services, self._default)
        check_tenant(params, principal, agent)
        return self._services[agent].asked(asked_by(headers)), principal, params


def handlers(calls: GrpcCalls) -> grpc.GenericRpcHandler:
    """The service as gRPC takes it, from its descriptor."""
    known: dict[str, grpc.RpcMethodHandler[Any, Any]] = {}
    for method in _SERVICE.methods:
        takes, gives = (message_factory.GetMessageClass(kind) for kind in (method.input_type, method.output_type))
        if method.server_streaming:
            known[method.name] = grpc.unary_stream_rpc_method_handler(
                calls.stream(method.name, gives),
                takes.FromString,
                gives.SerializeToString,
            )
        else:
            known[method.name] = grpc.unary_unary_rpc_method_handler(
                calls.unary(method.name, gives),
                takes.FromString,
                gives.SerializeToString,
            )
    return grpc.method_handlers_generic_handler(_SERVICE.full_name, known)


def _agent(tenant: str, known: Mapping[str, TaskService], default: str | None) -> str:
    if tenant in known:
        return tenant
    if default is None:
        raise no_agent(tenant, known)
    return default


def _check_version(sent: str) -> None:
    if sent != "1.0" and not sent.startswith("1.0."):
        said = f"A2A version {sent[:40]!r}" if sent else "A2A 0.3, as which a request without a version is taken,"
        raise Fault(
            VERSION_NOT_SUPPORTED,
            f"{said} is not supported over gRPC; send the metadata a2a-version: 1.0.",
            {"supportedVersions": "1.0"},
        )


async def _abort(context: Context, fault: Fault) -> Message:
    """End the call with a google.rpc.Status (section 10.6)."""
    code = grpc.StatusCode[fault.kind.grpc]
    told = {"code": code.value[0], "message": fault.message, "details": fault.details()}
    status: status_pb2.Status = ParseDict(told, status_pb2.Status())
    context.set_trailing_metadata(((_DETAILS, status.SerializeToString()),))
    await context.abort(code, fault.message)
    raise AssertionError("abort raises")


def _whole(value: Any) -> Any:
    """JSON as the other bindings have it: protobuf makes a float of every number in a Struct, and a message that is
    sent over two bindings is one."""
    if isinstance(value, dict):
        return {name: _whole(one) for name, one in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        items = cast("list[Any]", value)  # type: ignore[redundant-cast]
        return [_whole(one) for one in items]
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else value


def _bytes(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value
