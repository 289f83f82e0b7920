"""A call of a tool that is no run: its function is done within the request, and the call is audited.

Whatever the function raises is a result that the model sees, but for ``RequestError``, which is the JSON-RPC error
that it says (tools, "Error Handling").
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any

from dragoman.agents.errors import CannotAsk, RequestError
from dragoman.agents.tool import Tool
from dragoman.mcp import audit, project, results
from dragoman.mcp.call import Call
from dragoman.mcp.errors import ProtocolError, capability_missing
from dragoman.mcp.offers import Offer
from dragoman.mcp.plain import InputRequired, Plain, TookTooLong
from dragoman.mcp.plain_context import PlainContext
from dragoman.memory.errors import DragomanError, InputInvalid
from dragoman.memory.model import Json

__all__ = ["PlainTools"]

_log = logging.getLogger("dragoman.mcp")


class PlainTools:
    """Calls of plain tools."""

    def __init__(self, plain: Plain) -> None:
        self._plain = plain

    async def call(
        self, call: Call, offer: Offer, tool: Tool[..., Any], arguments: dict[str, Json]
    ) -> Mapping[str, Json]:
        """Call a tool. Raises ``ProtocolError``."""
        begun, outcome = time.perf_counter(), "cancelled"
        try:
            outcome, result = await self._outcome(call, offer, tool, arguments)
            return result
        except ProtocolError:
            outcome = "cancelled" if call.withdrawn else "refused"
            raise
        finally:
            audit.told(call.principal, tool.name, outcome, time.perf_counter() - begun)

    async def _outcome(
        self, call: Call, offer: Offer, tool: Tool[..., Any], arguments: dict[str, Json]
    ) -> tuple[str, Mapping[str, Json]]:
        signature = tool.signature
        try:
            offer.check(arguments)
            given = signature.arguments(signature.validate(arguments, f"input for {tool.name}"))
        except InputInvalid as error:
            return "invalid", project.error_result(error.message)

        async def work(context: PlainContext) -> Any:
            return await (tool.fn(context, **given) if signature.takes_context else tool.fn(**given))

        try:
            done = await self._plain.do(call, work, tool.timeout)
            if isinstance(done, InputRequired):
                return "input_required", done.result
            return _told(offer, done.value, call.version)
        except TookTooLong as error:
            return "timeout", project.error_result(f"{tool.name} took longer than its {error.seconds:g} s.")
        except RequestError as error:
            raise ProtocolError(error.code, error.message, error.data) from error
        except CannotAsk as error:
            if call.modern and error.capability:
                raise capability_missing({error.capability: {}}, error.message) from error
            return "error", project.error_result(error.message)
        except DragomanError as error:
            return "error", project.error_result(error.message)
        except ProtocolError:
            raise
        except Exception as error:
            _log.warning("the tool %s failed", tool.name, exc_info=error)
            return "error", project.error_result(str(error) or type(error).__name__)


def _told(offer: Offer, value: Any, version: str) -> tuple[str, dict[str, Json]]:
    content = results.content_of(value)
    if content is None and offer.shape.content is not None:
        content = results.stored_content(offer.shape.content, value)
    if content is not None:
        return "error" if content.is_error else "ok", results.of_content(content, version)
    return "ok", results.of_value(offer.what.signature.to_json(value), offer.shape.wraps, version)
