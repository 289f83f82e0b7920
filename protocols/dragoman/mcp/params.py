"""Reading the members of ``params``: each check names the member that is wrong."""

from __future__ import annotations

from typing import Any

from dragoman.mcp.call import Call
from dragoman.mcp.errors import INVALID_PARAMS, ProtocolError
from dragoman.mcp.objects import is_object

__all__ = ["an_object", "text"]


def text(call: Call, name: str) -> str:
    """A string that must be there."""
    value: Any = call.params.get(name)
    if not isinstance(value, str):
        raise ProtocolError(INVALID_PARAMS, f'{call.request.method}: "{name}" must be a string.')
    return value


def an_object(call: Call, name: str) -> dict[str, Any]:
    """An object; absent is empty."""
    value: Any = call.params.get(name)
    if value is None:
        return {}
    if not is_object(value):
        raise ProtocolError(INVALID_PARAMS, f'{call.request.method}: "{name}" must be an object.')
    return value
