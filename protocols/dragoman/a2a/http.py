"""What the HTTP endpoints of the face share: the body of a request, an answer, and the address they were asked by.

Plain ASGI, no binding: ``routes`` speaks JSON-RPC by it, ``rest_routes`` HTTP+JSON.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

from starlette.types import Receive, Scope, Send

from dragoman.a2a.asked import ASKED_AT
from dragoman.a2a.errors import AGENT_NOT_FOUND, Fault

__all__ = ["JSON", "PRINCIPAL", "asked_at", "base_url", "no_agent", "read_body", "retry_header", "send_whole"]

PRINCIPAL: Final = "dragoman.principal"
"""The caller's key in the scope, put there by the app."""

JSON: Final = (b"content-type", b"application/json")
Header = tuple[bytes, bytes]


async def read_body(receive: Receive) -> bytes | bytearray | None:
    """The whole body; None when the client left before its end."""
    message = await receive()
    body: bytes | bytearray = message.get("body", b"")
    if message.get("more_body"):
        body = bytearray(body)
        while message.get("more_body"):
            message = await receive()
            body += message.get("body", b"")
    return None if message["type"] == "http.disconnect" else body


async def send_whole(send: Send, status: int, headers: list[Header], body: bytes) -> None:
    """Answer at once."""
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [length, *headers] if body else headers})
    await send({"type": "http.response.body", "body": body})


def retry_header(fault: Fault) -> list[Header]:
    """When to try again (RFC 9110, section 10.2.3), where the fault says so."""
    return [] if fault.retry_after is None else [(b"retry-after", str(math.ceil(fault.retry_after)).encode())]


def base_url(scope: Scope) -> str:
    """The address that the server was asked by, as far as the app trusts what proxies say of it."""
    host = next((value for name, value in scope["headers"] if name == b"host"), b"").decode("latin-1")
    if not host:
        name, port = scope.get("server") or ("localhost", None)
        host = f"{name}:{port}" if port else name
    return f"{scope['scheme']}://{host}{scope.get('root_path', '')}"


def asked_at(scope: Scope, operation: str) -> None:
    """Remember the address of a request whose answer has it."""
    if operation == "GetExtendedAgentCard":
        ASKED_AT.set(base_url(scope))


def no_agent(agent: str, known: Iterable[str]) -> Fault:
    """There is no agent of this name."""
    return Fault(AGENT_NOT_FOUND, f"There is no agent {agent[:80]!r} here; there are: {', '.join(known) or 'none'}.")
