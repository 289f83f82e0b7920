"""A2A 0.3 over JSON-RPC, by the SDK's adapter over our handler.

Imported when the first 0.3 client calls: it brings the SDK along. Nothing of 1.0 passes here.
"""

from __future__ import annotations

from typing import Final, cast

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

import a2a.server.routes.common  # before the adapter, which is half imported otherwise: they import each other
from a2a.compat.v0_3.jsonrpc_adapter import JSONRPC03Adapter
from a2a.server.context import ServerCallContext
from a2a.types import a2a_pb2 as pb
from a2a.utils.errors import ExtendedAgentCardNotConfiguredError, UnsupportedOperationError
from dragoman.a2a.handler import PRINCIPAL, ServiceHandler
from dragoman.a2a.jsonrpc import Call, check_id
from dragoman.a2a.legacy_check import check_request
from dragoman.a2a.service import TaskService

__all__ = ["CallerInContext", "LegacyBinding", "LegacyHandler", "without_version"]

_VERSION: Final = b"a2a-version"
_DELETE: Final = "tasks/pushNotificationConfig/delete"


class LegacyBinding:
    """Answers 0.3 calls for any agent."""

    def __init__(self) -> None:
        self._adapters: dict[str, JSONRPC03Adapter] = {}

    async def handle(
        self, agent: str, service: TaskService, call: Call, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Answer a call whose method is one of 0.3."""
        adapter = self._adapters.get(agent)
        if adapter is None:
            adapter = self._adapters[agent] = JSONRPC03Adapter(LegacyHandler(service.legacy()), CallerInContext())
        check_request(cast("type[BaseModel]", adapter.METHOD_TO_MODEL[call.method]), call.body)
        check_id(call)
        request = Request(without_version(scope), receive)
        id = call.id if isinstance(call.id, (str, int)) else None
        answer = adapter.handle_request  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        response = await answer(id, call.method, call.body, request)
        if call.method == _DELETE and b'"error"' not in response.body:
            response = JSONResponse({"jsonrpc": "2.0", "id": id, "result": None})  # the adapter leaves the null out
        await response(scope, receive, send)


class LegacyHandler(ServiceHandler):
    """Our handler, where 0.3 answers otherwise."""

    async def on_get_extended_agent_card(
        self, params: pb.GetExtendedAgentCardRequest, context: ServerCallContext
    ) -> pb.AgentCard:
        """0.3 has an error of its own for the lack of one (A2A 0.3, section 8.2)."""
        try:
            return await super().on_get_extended_agent_card(params, context)
        except UnsupportedOperationError as error:
            raise ExtendedAgentCardNotConfiguredError(error.message) from None


class CallerInContext(a2a.server.routes.common.DefaultServerCallContextBuilder):
    """Hands the caller on to our handler."""

    def build(self, request: Request) -> ServerCallContext:
        """The context of a call."""
        context = super().build(request)
        context.state[PRINCIPAL] = request.scope[PRINCIPAL]
        return context


def without_version(scope: Scope) -> Scope:
    """The request without its version: it was matched already, and the adapters do not read the query."""
    return {**scope, "headers": [(name, value) for name, value in scope["headers"] if name != _VERSION]}
