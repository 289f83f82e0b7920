"""Arguments that a proxy routes by: the ``Mcp-Param-`` headers that mirror them in the modern era, checked.

Which arguments those are, the tool says (``dragoman.agents.param_headers``). Follows 2026-07-28 "Streamable HTTP",
"Custom Headers from Tool Parameters" and "Value Encoding".
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from dragoman.agents.param_headers import ParamHeader
from dragoman.mcp.errors import HEADER_MISMATCH, ProtocolError
from dragoman.mcp.headers import decoded
from dragoman.mcp.objects import is_object
from dragoman.memory.model import Json

__all__ = ["check_params"]

_DECIMAL: Final = re.compile(rb"(-?[0-9]{1,400})(?:\.0+)?")
_FIELD: Final = re.compile(rb"[\t\x20-\x7e]*")
_SAFE: Final = 2**53 - 1
"""Beyond it an integer may be another one for who reads numbers as doubles (server/tools, "x-mcp-header")."""


def check_params(given: Mapping[bytes, bytes], mirrored: Sequence[ParamHeader], arguments: Json) -> None:
    """Raise ``ProtocolError`` unless each of these arguments and its header say the same, or are both absent."""
    for param in mirrored:
        name = f"Mcp-Param-{param.name}"
        header, value = given.get(name.lower().encode()), _at(arguments, param.path)
        told = ".".join(param.path)
        if value is None:
            if header is not None:
                raise _mismatch(f"{name} is there, and the body has no {told!r}.")
        elif header is None:
            if isinstance(value, str | int | float):
                raise _mismatch(f"{name} is required, for the body has {told!r}.")
        elif _FIELD.fullmatch(header) is None:
            raise _mismatch(f"{name} has other than visible ASCII; the rest goes as Base64.")
        elif isinstance(value, int | float) and abs(value) > _SAFE:
            raise _mismatch(f"{name} is for integers from {-_SAFE} to {_SAFE}, and {told!r} is beyond.")
        elif not _same(param, decoded(header.strip(b" \t"), name), value):
            raise _mismatch(f"{name} is not what the body has as {told!r}.")


def _same(param: ParamHeader, header: bytes, value: Any) -> bool:
    if isinstance(value, bool):
        return header == (b"true" if value else b"false")
    if param.type == "integer" and (isinstance(value, int) or (isinstance(value, float) and value.is_integer())):
        found = _DECIMAL.fullmatch(header)  # 42 and 42.0 are one number
        return found is not None and int(found[1]) == int(value)
    return header == str(value).encode("utf-8", "surrogatepass") if isinstance(value, str | int | float) else False


def _at(arguments: Json, path: Sequence[str]) -> Any:
    node: Any = arguments
    for name in path:
        node = node.get(name) if is_object(node) else None
    return node


def _mismatch(why: str) -> ProtocolError:
    return ProtocolError(HEADER_MISMATCH, f"Header mismatch: {why}")
