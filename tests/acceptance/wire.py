"""How each face is asked, and how each refuses: requests by hand, and the shape of every protocol's error.

No client library stands between, since none of them would send what is sent here. ``$name`` in a path, a header or a
JSON body stands for something that the server of these tests holds (``conftest.py``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import httpx

__all__ = [
    "Ask",
    "a2a",
    "agent_protocol",
    "gate_told",
    "langgraph",
    "legacy",
    "modern",
    "older",
    "rest",
    "said",
    "told",
]

Face = Literal["agent_protocol", "langgraph", "a2a", "mcp"]
Code = str | int | tuple[int, str] | None

META = "io.modelcontextprotocol/"
# Method → the member of its params that the header Mcp-Name mirrors.
_NAMED = {"tools/call": "name", "resources/read": "uri", **dict.fromkeys(("tasks/get", "tasks/update"), "taskId")}
_NAMED["tasks/cancel"] = "taskId"


@dataclass(frozen=True)
class Ask:
    """A request with a JSON ``body``, or with ``raw`` bytes in its place; who asks is not in it."""

    face: Face
    method: str
    path: str
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    name: str = ""
    raw: bytes | Iterator[bytes] | None = None

    def __str__(self) -> str:
        return f"{self.face} {self.name or f'{self.method} {self.path}'}"

    def sending(self, raw: bytes | Iterator[bytes]) -> Ask:
        """The same with other bytes."""
        return replace(self, raw=raw)

    def saying(self, **headers: str) -> Ask:
        """The same with more headers."""
        return replace(self, headers={**self.headers, **{n.replace("_", "-"): v for n, v in headers.items()}})


# -- requests ---------------------------------------------------------------------------------------------------------
def agent_protocol(path: str, body: Any = None, method: str = "") -> Ask:
    """Agent Protocol: a POST where there is a body."""
    return Ask("agent_protocol", method or ("GET" if body is None else "POST"), path, body)


def langgraph(path: str, body: Any = None, method: str = "") -> Ask:
    """What ``langgraph-sdk`` asks."""
    client = {"User-Agent": "langgraph-sdk-py/0.4.14"}
    return Ask("langgraph", method or ("GET" if body is None else "POST"), path, body, client)


def a2a(method: str, params: Any, agent: str = "refund") -> Ask:
    """A2A 1.0 over JSON-RPC."""
    call = {"jsonrpc": "2.0", "id": "one", "method": method, "params": params}
    return Ask("a2a", "POST", f"/a2a/{agent}", call, {"A2A-Version": "1.0"}, f"{method} {agent}")


def rest(method: str, path: str, body: Any = None, agent: str = "refund") -> Ask:
    """A2A 1.0 over HTTP+JSON."""
    return Ask("a2a", method, f"/a2a/{agent}{path}", body, {"A2A-Version": "1.0"})


def legacy(method: str, params: Any, agent: str = "refund") -> Ask:
    """A2A 0.3, which the SDK's adapter answers."""
    call = {"jsonrpc": "2.0", "id": "one", "method": method, "params": params}
    return Ask("a2a", "POST", f"/a2a/{agent}", call, name=f"0.3 {method} {agent}")


def modern(method: str, params: Mapping[str, Any], **capabilities: Any) -> Ask:
    """MCP 2026-07-28, with the headers that mirror the body."""
    meta = {META + "protocolVersion": "2026-07-28", META + "clientCapabilities": capabilities}
    headers = {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": method, "Accept": _BOTH}
    if method in _NAMED:
        headers["Mcp-Name"] = params[_NAMED[method]]
    call = {"jsonrpc": "2.0", "id": "one", "method": method, "params": {**params, "_meta": meta}}
    return Ask("mcp", "POST", "/mcp", call, headers, f"{method} {params.get('name', '')}")


def older(method: str, params: Mapping[str, Any]) -> Ask:
    """MCP 2025-11-25, without a session."""
    call = {"jsonrpc": "2.0", "id": "one", "method": method, "params": params}
    headers = {"MCP-Protocol-Version": "2025-11-25", "Accept": _BOTH}
    return Ask("mcp", "POST", "/mcp", call, headers, f"older {method} {params.get('name', '')}")


_BOTH = "application/json, text/event-stream"


def said(*parts: Any, **fields: Any) -> dict[str, Any]:
    """The params of an A2A message: texts, and data of what is no text."""
    told = [{"text": part} if isinstance(part, str) else {"data": part} for part in parts]
    return {"message": {"messageId": "m-1", "role": "ROLE_USER", "parts": told, **fields}}


# -- refusals ---------------------------------------------------------------------------------------------------------
def told(face: Face, answer: httpx.Response) -> tuple[Code, str]:
    """The code and message of a refusal by a face, which has the shape of the face's protocol.

    The code is Agent Protocol's, none for the LangGraph SDK (``{"detail"}``), the JSON-RPC code and the reason in its
    ``google.rpc.ErrorInfo`` for A2A, the JSON-RPC code for MCP, and "isError" for a tool's result that is an error.
    """
    body = answer.json()
    if face == "agent_protocol":
        assert body.keys() == {"code", "message", "metadata"}, body
        return body["code"], body["message"]
    if face == "langgraph":
        assert body.keys() == {"detail"}, body
        return None, body["detail"]
    assert body["jsonrpc"] == "2.0"
    if "result" in body:
        assert (face, body["id"], body["result"]["isError"]) == ("mcp", "one", True), body
        (content,) = body["result"]["content"]
        return "isError", content["text"]
    error = body["error"]
    assert (error.keys() >= {"code", "message"}, body.get("id") in ("one", None)) == (True, True), body
    if face == "mcp":
        return error["code"], error["message"]
    (info, *_) = error["data"]
    assert info["@type"] == "type.googleapis.com/google.rpc.ErrorInfo"
    return (error["code"], info["reason"]), error["message"]


def gate_told(face: Face, answer: httpx.Response) -> tuple[Code, str]:
    """The same of a refusal before any face: JSON-RPC without an id, or both of Agent Protocol's and the SDK's."""
    body = answer.json()
    if face in ("agent_protocol", "langgraph"):
        assert body.keys() == {"code", "message", "detail"}, body
        assert body["message"] == body["detail"]
        return body["code"], body["message"]
    assert (body.keys(), body["id"]) == ({"jsonrpc", "id", "error"}, None), body
    return body["error"]["code"], body["error"]["message"]
