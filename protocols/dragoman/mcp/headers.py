"""HTTP headers that mirror a message's body in the modern era: checked against it, so that a proxy that routes by
them is not deceived.

Follows 2026-07-28 "Streamable HTTP", "Standard Request Headers", "Value Encoding" and "Server Validation". The name of
a task is checked where it is given: to give it is the tasks extension's word to clients, and some in use do not.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from typing import Any, Final

from dragoman.mcp.errors import HEADER_MISMATCH, ProtocolError
from dragoman.mcp.jsonrpc import Request

__all__ = ["VERSION", "check", "collect", "decoded", "streams"]

VERSION: Final = b"mcp-protocol-version"
_METHOD: Final = b"mcp-method"
_NAME: Final = b"mcp-name"
_NAMED: Final[Mapping[str, str]] = {
    "tools/call": "name",
    "prompts/get": "name",
    "resources/read": "uri",
    "tasks/get": "taskId",
    "tasks/update": "taskId",
    "tasks/cancel": "taskId",
}
"""Method → the member of ``params`` that ``Mcp-Name`` mirrors."""
_PARAM: Final = b"mcp-param-"
_ROUTING: Final = (VERSION, _METHOD, _NAME)
_STREAM: Final = b"text/event-stream"


def collect(raw: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Headers by lower-case name. Raises ``ProtocolError`` where one that routes is there twice with two values."""
    found: dict[bytes, bytes] = {}
    for name, value in raw:
        if name in found and found[name] != value and (name in _ROUTING or name.startswith(_PARAM)):
            raise ProtocolError(HEADER_MISMATCH, f"Header mismatch: {name.decode()} is there twice, with two values.")
        found[name] = value
    return found


def streams(headers: Mapping[bytes, bytes]) -> tuple[bool, bool]:
    """Whether a client takes a stream in response, and whether it names it before JSON."""
    before, named, _ = headers.get(b"accept", b"").partition(_STREAM)
    return bool(named), bool(named) and b"application/json" not in before


def check(headers: Mapping[bytes, bytes], request: Request, version: str) -> None:
    """Raise ``ProtocolError`` unless the headers mirror the body."""
    _same("MCP-Protocol-Version", headers.get(VERSION), version)
    _same("Mcp-Method", headers.get(_METHOD), request.method)
    member = _NAMED.get(request.method)
    if member is not None:
        value: Any = request.params.get(member)
        if isinstance(value, str):  # else the verb tells what is wrong with it
            given = headers.get(_NAME)
            if given is None and member == "taskId":
                return
            if given is not None and given != value.encode():
                given = decoded(given.strip(b" \t"), "Mcp-Name")
            _same("Mcp-Name", given, value)


def _same(name: str, header: bytes | None, body: str) -> None:
    if header is None:
        raise ProtocolError(HEADER_MISMATCH, f"Header mismatch: {name} is required; the body says {body[:200]!r}.")
    if header.strip(b" \t") != body.encode():  # white space around a value is no part of it (RFC 9110, 5.5)
        told = header.decode("latin-1")[:200]
        raise ProtocolError(HEADER_MISMATCH, f"Header mismatch: {name} is {told!r} and the body says {body[:200]!r}.")


def decoded(value: bytes, name: str) -> bytes:
    """A header's value, out of its Base64 where it says that it is in it. Raises ``ProtocolError`` where it is not."""
    if not (value.startswith(b"=?base64?") and value.endswith(b"?=")):
        return value
    try:
        return base64.b64decode(value[len(b"=?base64?") : -len(b"?=")], validate=True)
    except (ValueError, binascii.Error):
        raise ProtocolError(HEADER_MISMATCH, f"Header mismatch: {name} is not the Base64 that it says.") from None
