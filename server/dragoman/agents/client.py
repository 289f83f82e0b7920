"""What an MCP client can be asked beside its user: a completion of its own model, and its roots.

Both are questions like any other (``ctx.interrupt``): a run waits for them at no cost, and whoever sees the run over
another protocol may answer them. Both features are deprecated in MCP 2026-07-28 and served for clients that have them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from dragoman.agents.calls import CallContext
from dragoman.agents.content import Message
from dragoman.memory.model import Json

__all__ = ["CLIENT_REQUEST", "list_roots", "sample"]

CLIENT_REQUEST: Final = "mcp/request"
"""The member of an interrupt's payload that holds the request for the client: its ``method`` and ``params``."""

_SAMPLED: Final[Mapping[str, Json]] = {
    "type": "object",
    "properties": {"role": {"type": "string"}, "content": {}, "model": {"type": "string"}},
    "required": ["role", "content"],
}
_ROOTS: Final[Mapping[str, Json]] = {
    "type": "object",
    "properties": {
        "roots": {
            "type": "array",
            "items": {"type": "object", "properties": {"uri": {"type": "string"}}, "required": ["uri"]},
        }
    },
    "required": ["roots"],
}


async def sample(
    ctx: CallContext,
    messages: Sequence[Message] | str,
    *,
    max_tokens: int,
    system: str | None = None,
    key: str | None = None,
    timeout: float | None = None,
) -> Mapping[str, Any]:
    """Ask the client's own model: ``{"role", "content", "model", "stopReason"}`` (MCP "CreateMessageResult")."""
    given = [Message.of(messages)] if isinstance(messages, str) else messages
    params: dict[str, Json] = {"messages": [m.to_json() for m in given], "maxTokens": max_tokens}
    if system is not None:
        params["systemPrompt"] = system
    payload = {CLIENT_REQUEST: {"method": "sampling/createMessage", "params": params}}
    answer: Mapping[str, Any] = await ctx.interrupt(
        "A completion is asked of your model.", schema=_SAMPLED, payload=payload, key=key or "sample", timeout=timeout
    )
    return answer


async def list_roots(ctx: CallContext, *, key: str | None = None, timeout: float | None = None) -> Sequence[Any]:
    """Ask the client for its roots: ``[{"uri", "name"}]`` (MCP "Root")."""
    payload: Json = {CLIENT_REQUEST: {"method": "roots/list", "params": {}}}
    answer = await ctx.interrupt(
        "Your roots are asked for.", schema=_ROOTS, payload=payload, key=key or "roots", timeout=timeout
    )
    roots: Sequence[Any] = answer["roots"]
    return roots
