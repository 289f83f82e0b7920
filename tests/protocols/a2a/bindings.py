"""One plain client for each binding, with the same verbs: operations on ProtoJSON objects, errors by their reason.

They know the wire and nothing of the server's code, so that what differs between bindings shows.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import grpc
import httpx
from a2a.types import a2a_pb2 as pb
from google.protobuf import message_factory
from google.protobuf.json_format import MessageToDict, ParseDict
from google.rpc import (  # type: ignore[import-untyped]  # pyright: ignore[reportMissingTypeStubs]
    error_details_pb2,
    status_pb2,
)

__all__ = ["BINDINGS", "Binding", "Refusal", "Update", "connected"]

Json = Any
Update = tuple[str, dict[str, Json]]
_STREAMS = {"SendStreamingMessage", "SubscribeToTask"}
_INFO = "type.googleapis.com/google.rpc.ErrorInfo"


class Refusal(Exception):
    """An error of the protocol: the reason that its ErrorInfo gives, its domain, and the code that the binding has."""

    def __init__(self, reason: str, domain: str, code: int | str, message: str) -> None:
        super().__init__(f"{reason} ({code}): {message}")
        self.reason, self.domain, self.code, self.message = reason, domain, code, message


class Binding(ABC):
    """A client of one agent. ``headers`` are service parameters, in lower case."""

    name: ClassVar[str]

    @abstractmethod
    async def call(self, operation: str, params: Json, **headers: str) -> dict[str, Json]:
        """One answer. Raises ``Refusal``."""

    @abstractmethod
    def stream(self, operation: str, params: Json, **headers: str) -> AsyncGenerator[Update, None]:
        """Updates with their ids, which are empty where the binding has none. Raises ``Refusal``."""

    async def send(self, message: Json, **configuration: Json) -> dict[str, Json]:
        """SendMessage: the task."""
        told = await self.call("SendMessage", {"message": message, "configuration": configuration})
        task: dict[str, Json] = told["task"]
        return task


def _named(headers: dict[str, str]) -> dict[str, str]:
    return {"a2a-version": "1.0", **{name.replace("_", "-"): value for name, value in headers.items()}}


async def _events(answer: httpx.Response) -> AsyncGenerator[tuple[str, dict[str, Json]], None]:
    id = ""
    async for line in answer.aiter_lines():
        if line.startswith("id: "):
            id = line.removeprefix("id: ")
        elif line.startswith("data: "):
            yield id, json.loads(line.removeprefix("data: "))
            id = ""


class JsonRpc(Binding):
    """Section 9."""

    name = "JSON-RPC"

    def __init__(self, http: httpx.AsyncClient, agent: str) -> None:
        self._http, self._path = http, f"/a2a/{agent}"

    async def call(self, operation: str, params: Json, **headers: str) -> dict[str, Json]:
        """See ``Binding.call``."""
        body = {"jsonrpc": "2.0", "id": 1, "method": operation, "params": params}
        return self._result((await self._http.post(self._path, json=body, headers=_named(headers))).json())

    async def stream(self, operation: str, params: Json, **headers: str) -> AsyncGenerator[Update, None]:
        """See ``Binding.stream``."""
        body = {"jsonrpc": "2.0", "id": 1, "method": operation, "params": params}
        async with self._http.stream("POST", self._path, json=body, headers=_named(headers)) as answer:
            if not answer.headers["content-type"].startswith("text/event-stream"):
                self._result(json.loads(await answer.aread()))
            async for id, told in _events(answer):
                yield id, self._result(told)

    @staticmethod
    def _result(told: dict[str, Json]) -> dict[str, Json]:
        assert (told["jsonrpc"], told["id"]) == ("2.0", 1)
        if "error" in told:
            error = told["error"]
            (info,) = (one for one in error["data"] if one["@type"] == _INFO)
            raise Refusal(info["reason"], info["domain"], error["code"], error["message"])
        result: dict[str, Json] = told["result"]
        return result


class HttpJson(Binding):
    """Section 11."""

    name = "HTTP+JSON"

    def __init__(self, http: httpx.AsyncClient, agent: str) -> None:
        self._http, self._path = http, f"/a2a/{agent}"

    def _request(self, operation: str, params: Json, headers: dict[str, str]) -> httpx.Request:
        id = params.get("id", "")
        rest = {k: v for k, v in params.items() if k != "id"}
        method, path, body = {
            "SendMessage": ("POST", "message:send", params),
            "SendStreamingMessage": ("POST", "message:stream", params),
            "GetTask": ("GET", f"tasks/{id}", None),
            "ListTasks": ("GET", "tasks", None),
            "CancelTask": ("POST", f"tasks/{id}:cancel", rest),
            "SubscribeToTask": ("GET", f"tasks/{id}:subscribe", None),
            "GetExtendedAgentCard": ("GET", "extendedAgentCard", None),
        }[operation]
        query = None if body is not None else {k: str(v).lower() if v is True else str(v) for k, v in rest.items()}
        sent = {"accept": "application/a2a+json", **_named(headers)}
        address = f"{self._path}/{path}"
        return self._http.build_request(method, address, params=query, json=body, headers=sent)

    async def call(self, operation: str, params: Json, **headers: str) -> dict[str, Json]:
        """See ``Binding.call``."""
        answer = await self._http.send(self._request(operation, params, headers))
        self._raise(answer.status_code, answer.content)
        told: dict[str, Json] = answer.json()
        return told

    async def stream(self, operation: str, params: Json, **headers: str) -> AsyncGenerator[Update, None]:
        """See ``Binding.stream``."""
        answer = await self._http.send(self._request(operation, params, headers), stream=True)
        try:
            if answer.status_code >= 400:
                self._raise(answer.status_code, await answer.aread())
            async for update in _events(answer):
                yield update
        finally:
            await answer.aclose()

    @staticmethod
    def _raise(status: int, content: bytes) -> None:
        if status >= 400:
            error = json.loads(content)["error"]
            assert error["code"] == status
            (info,) = (one for one in error["details"] if one["@type"] == _INFO)
            raise Refusal(info["reason"], info["domain"], status, error["message"])


class Grpc(Binding):
    """Section 10."""

    name = "gRPC"

    def __init__(self, channel: grpc.aio.Channel, agent: str) -> None:
        self._channel, self._agent = channel, agent

    def _method(self, operation: str) -> Any:
        method = pb.DESCRIPTOR.services_by_name["A2AService"].methods_by_name[operation]
        kind = self._channel.unary_stream if operation in _STREAMS else self._channel.unary_unary
        takes, gives = (message_factory.GetMessageClass(one) for one in (method.input_type, method.output_type))
        made = kind(
            f"/{method.containing_service.full_name}/{operation}",
            request_serializer=takes.SerializeToString,
            response_deserializer=gives.FromString,
        )

        def call(params: Json, headers: dict[str, str]) -> Any:
            request = ParseDict({"tenant": self._agent, **params}, takes())
            return made(request, metadata=tuple(_named(headers).items()))

        return call

    async def call(self, operation: str, params: Json, **headers: str) -> dict[str, Json]:
        """See ``Binding.call``."""
        try:
            return MessageToDict(await self._method(operation)(params, headers))
        except grpc.aio.AioRpcError as error:
            raise _refusal(error) from None

    async def stream(self, operation: str, params: Json, **headers: str) -> AsyncGenerator[Update, None]:
        """See ``Binding.stream``."""
        call = self._method(operation)(params, headers)
        try:
            async for update in call:
                yield "", MessageToDict(update)
        except grpc.aio.AioRpcError as error:
            raise _refusal(error) from None
        finally:
            call.cancel()


def _refusal(error: grpc.aio.AioRpcError) -> Refusal:
    trailing = dict(error.trailing_metadata() or ())
    status: Any = status_pb2.Status()
    status.ParseFromString(trailing["grpc-status-details-bin"])
    info: Any = error_details_pb2.ErrorInfo()
    assert any(detail.Unpack(info) for detail in status.details)
    assert status.code == error.code().value[0]
    return Refusal(info.reason, info.domain, error.code().name, error.details() or "")


BINDINGS = ("JSON-RPC", "HTTP+JSON", "gRPC")


@asynccontextmanager
async def connected(binding: str, url: str, address: str, agent: str) -> AsyncGenerator[Binding, None]:
    """A client of an agent over the binding of that name."""
    if binding == "gRPC":
        async with grpc.aio.insecure_channel(address) as channel:
            yield Grpc(channel, agent)
    else:
        kind = {"JSON-RPC": JsonRpc, "HTTP+JSON": HttpJson}[binding]
        limits = httpx.Limits(max_connections=100)
        async with httpx.AsyncClient(base_url=url, timeout=60, limits=limits) as http:
            yield kind(http, agent)
