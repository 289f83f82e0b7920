"""What a function returned as a CallToolResult: content blocks where it gives those, else text and structure. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeGuard

from pydantic import ValidationError

from dragoman.agents.content import Audio, Content, Embedded, Image, Link, Text, ToolResult
from dragoman.agents.signature import Signature
from dragoman.mcp import blocks, eras
from dragoman.memory.codec import dumps
from dragoman.memory.model import Json

__all__ = ["content_of", "of_content", "of_value", "stored_content"]

_PARTS = (Text, Image, Audio, Link, Embedded)


def content_of(value: Any) -> ToolResult | None:
    """A returned value as content, if it is that."""
    if isinstance(value, ToolResult):
        return value
    if isinstance(value, _PARTS):
        return ToolResult(content=(value,))
    return ToolResult(content=tuple(value)) if _are_parts(value) else None


def stored_content(signature: Signature, output: Json) -> ToolResult | None:
    """The content that a run's output holds; None where it is not what the signature promises (any more)."""
    try:
        value: Any = signature.returns.validate_python(output)
    except ValidationError:
        return None
    return ToolResult() if value in ([], ()) else content_of(value)


def of_content(result: ToolResult, version: str) -> dict[str, Json]:
    """The CallToolResult of content. Structure without content is told in text too."""
    content = [blocks.block(part, version) for part in result.content]
    if not content and result.structured is not None:
        content = [{"type": "text", "text": dumps(dict(result.structured)).decode()}]
    told: dict[str, Json] = {"content": content, "isError": result.is_error}
    if result.structured is not None and eras.has("structured", version):
        told["structuredContent"] = dict(result.structured)
    return told


def of_value(output: Json, wraps: bool, version: str) -> dict[str, Json]:
    """The CallToolResult of JSON; ``wraps`` puts it under ``result``, as the outputSchema says."""
    text = output if isinstance(output, str) else dumps(output).decode()
    told: dict[str, Json] = {"content": [{"type": "text", "text": text}], "isError": False}
    if eras.has("structured", version):
        told["structuredContent"] = output if isinstance(output, dict) and not wraps else {"result": output}
    return told


def _are_parts(value: Any) -> TypeGuard[Sequence[Content]]:
    return _is_sequence(value) and bool(value) and all(isinstance(part, _PARTS) for part in value)


def _is_sequence(value: Any) -> TypeGuard[Sequence[Any]]:
    return isinstance(value, list | tuple)
