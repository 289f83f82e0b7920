"""Malformed MCP requests, made from the published schemas: what each of them allows, bent until it no longer does.

Nothing here is chance: the same schemas make the same requests. A request is bent at one place; the schema itself says
that it no longer fits.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from .wire import META, Ask, modern, older

__all__ = ["bent", "mangled", "misheaded"]

SPECS = Path(os.environ.get("DRAGOMAN_SPECS") or Path(__file__).parents[3] / "shared" / "specs")
TASKS: dict[str, Any] = {"extensions": {"io.modelcontextprotocol/tasks": {}}}
_PER_REQUEST = 40  # of the ways in which one request can be bent
Step = str | int
Way = tuple[Step, ...]

# What a property of this name holds in a request that the server would serve, and that changes nothing.
_KNOWN: dict[str, Any] = {
    "id": "one",
    "name": "run_status",
    "arguments": {"run_id": "$waiting"},
    "uri": "dragoman://runs/$waiting/artifacts/none",
    "taskId": "$waiting",
    "inputResponses": {"decision": {"action": "accept", "content": {"answer": "maybe"}}},
    "level": "error",
    "protocolVersion": "2025-11-25",
    META + "protocolVersion": "2026-07-28",
    META + "clientCapabilities": TASKS,
    "progressToken": "token",
}
_LEFT_OUT = {"cursor", "requestState", "task", META + "subscriptionId", META + "related-task"}
_ROUTED = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}


def _nested(depth: int) -> Any:
    made: Any = 1
    for n in range(depth):
        made = [made] if n % 2 else {"a": made}
    return made


_VALUES: list[Any] = [
    *(None, True, 0, -1, 1.5, 10**30, -(10**400), 1e308, "", "x", "\0", "\ud800", "x" * 20_000, "../../etc/passwd"),
    *([], {}, [None], {"": None}, {"__proto__": {}}, [[]] * 500, _nested(60), _nested(400)),
]


# -- what a schema allows ---------------------------------------------------------------------------------------------
class Schema:
    """A published schema, and whole requests of it."""

    def __init__(self, name: str) -> None:
        path = SPECS / f"{name}.schema.json"
        if not path.exists():
            pytest.skip(f"the published schemas are not beside this repository (../shared/specs): no {path.name}")
        self._defs: dict[str, Any] = json.loads(path.read_text())["$defs"]

    def fits(self, definition: str, value: Any) -> bool:
        """Whether a value is one of a definition."""
        whole = {"$ref": f"#/$defs/{definition}", "$defs": self._defs}
        validator: Any = jsonschema.Draft202012Validator(whole)
        return bool(validator.is_valid(value))

    def requests(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Each definition of what a client sends, and a message of it with all that it may hold."""
        for definition in self._of_clients():
            made = self._made({"$ref": f"#/$defs/{definition}"}, 6)
            assert self.fits(definition, made), (definition, made)
            yield definition, made

    def _of_clients(self) -> list[str]:
        named: set[str] = set()
        for name in ("ClientRequest", "ClientNotification"):
            if name in self._defs:
                options = self._defs[name].get("anyOf")
                named |= {option["$ref"].rpartition("/")[2] for option in options} if options else {name}
        return sorted(named or (name for name in self._defs if name.endswith("TaskRequest")))

    def _made(self, schema: dict[str, Any], depth: int) -> Any:
        if "$ref" in schema:
            return self._made(self._defs[schema["$ref"].rpartition("/")[2]], depth)
        if "allOf" in schema:
            parts = [self._made(part, depth) for part in schema["allOf"]]
            return self._merged(parts)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return schema["enum"][0]
        if options := schema.get("anyOf") or schema.get("oneOf"):
            return self._made(options[0], depth)
        kind = schema.get("type", "object")
        if kind == "object":
            return self._object(schema, depth)
        if kind == "array":
            return [self._made(schema.get("items", {}), depth - 1)] if depth else []
        return {"string": "x", "integer": 1, "number": 1, "boolean": True, "null": None}[
            kind if isinstance(kind, str) else kind[0]
        ]

    @staticmethod
    def _merged(parts: list[Any]) -> Any:
        whole: dict[str, Any] = {}
        for part in parts:
            for key, value in part.items():
                nested = isinstance(value, dict) and isinstance(whole.get(key), dict)
                whole[key] = Schema._merged([whole[key], value]) if nested else value
        return whole

    def _object(self, schema: dict[str, Any], depth: int) -> dict[str, Any]:
        made: dict[str, Any] = {}
        required = schema.get("required", ())
        for name, inner in schema.get("properties", {}).items():
            if name in _LEFT_OUT or (depth <= 0 and name not in required):
                continue
            made[name] = deepcopy(_KNOWN[name]) if name in _KNOWN else self._made(inner, depth - 1)
        return made


# -- bent -------------------------------------------------------------------------------------------------------------
def bent(session: str) -> list[Ask]:
    """Requests of all three schemas, each with one thing that its schema does not allow."""
    chance = random.Random(20260728)
    asks: list[Ask] = []
    for name in ("mcp-2026-07-28", "mcp-2025-11-25", "mcp-tasks-extension"):
        schema = Schema(name)
        for definition, whole in schema.requests():
            if name == "mcp-tasks-extension":
                whole.setdefault("params", {})["_meta"] = deepcopy(
                    {META + "protocolVersion": "2026-07-28", META + "clientCapabilities": TASKS}
                )
            ways = [(way, change) for way in _ways(whole) for change in (_DROPPED, *_VALUES)]
            chance.shuffle(ways)
            made = 0
            for way, change in ways:
                wrong = _changed(whole, way, change)
                if made == _PER_REQUEST or schema.fits(definition, wrong):
                    continue
                made += 1
                shown = "dropped" if change is _DROPPED else f"{str(change)[:20]!r}"
                asks.append(_asked(name, whole, wrong, session, f"{definition} {'.'.join(map(str, way))} {shown}"))
    return asks


_DROPPED = object()


def _ways(value: Any, way: Way = ()) -> Iterator[Way]:
    """The way to each place in a value."""
    if way:
        yield way
    if isinstance(value, Mapping):
        for key, inner in value.items():  # pyright: ignore[reportUnknownVariableType]
            yield from _ways(inner, (*way, str(key)))  # pyright: ignore[reportUnknownArgumentType]
    elif isinstance(value, list):
        for n, inner in enumerate(value):  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
            yield from _ways(inner, (*way, n))


def _changed(whole: Any, way: Way, change: Any) -> Any:
    made = deepcopy(whole)
    at = made
    for step in way[:-1]:
        at = at[step]
    if change is _DROPPED:
        del at[way[-1]]
    else:
        at[way[-1]] = change
    return made


def _asked(schema: str, whole: dict[str, Any], wrong: Any, session: str, name: str) -> Ask:
    """The request with the headers that the whole one has, so that what is wrong is in the body alone."""
    method, params = str(whole["method"]), whole.get("params", {})
    if schema == "mcp-2025-11-25":
        return replace(older(method, {}), body=wrong, name=f"2025-11-25 {name}").saying(Mcp_Session_Id=session)
    ask = replace(modern(method, {"name": "", "uri": "", "taskId": ""}), body=wrong, name=f"2026-07-28 {name}")
    routed = _ROUTED.get(method, "taskId" if method.startswith("tasks/") else None)
    headers = {key: value for key, value in ask.headers.items() if key != "Mcp-Name"}
    return replace(ask, headers={**headers, "Mcp-Name": str(params[routed])} if routed in params else headers)


# -- mangled ----------------------------------------------------------------------------------------------------------
def mangled() -> Iterator[Ask]:
    """Bodies that are no message: batches, cut off, not UTF-8, not JSON."""
    chance = random.Random(1)
    for ask in (
        modern("tools/call", {"name": "run_status", "arguments": {"run_id": "$waiting"}}),
        modern("tasks/get", {"taskId": "$waiting"}, **TASKS),
        older("tools/list", {}),
        older("initialize", {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "x"}}),
    ):
        whole = json.dumps(ask.body)
        raw = whole.encode()
        at = [chance.randrange(1, len(raw)) for _ in range(6)]
        bodies = [
            *(b"[]", b"[%b]" % raw, b"[%b,%b]" % (raw, raw), b"[1]", b"1", b'"x"', b"null", b"true", b"{}", b"", b" "),
            *(raw[:n] for n in at),
            *(raw[:n] + b"\xff" + raw[n:] for n in at),
            *(raw[:n] + b"\0" + raw[n:] for n in at),
            *(raw + b"x", raw + raw, b"\xef\xbb\xbf" + raw, whole.encode("utf-16"), b"\x1f\x8b" + raw),
            *(raw.replace(b'"one"', number) for number in (b"NaN", b"-Infinity", b"1e999", b"0x1", b"1" * 5000)),
            b'{"params":' * 50_000,
            b"[" * 100_000 + b"]" * 100_000,
        ]
        for n, body in enumerate(bodies):
            yield replace(ask, name=f"{ask.name} mangled {n}", raw=body)


# -- misheaded --------------------------------------------------------------------------------------------------------
def misheaded() -> Iterator[Ask]:
    """Messages that are right, under headers that are not."""
    call = modern("tools/call", {"name": "run_status", "arguments": {"run_id": "$waiting"}})
    task = modern("tasks/get", {"taskId": "$waiting"}, **TASKS)
    for ask in (call, task):
        for name in ("MCP-Protocol-Version", "Mcp-Method"):
            headers = {key: value for key, value in ask.headers.items() if key != name}
            yield replace(ask, headers=headers, name=f"{ask.name} without {name}")
        for name, value in (
            *(
                ("MCP-Protocol-Version", version)
                for version in ("", "x", "2025-11-25", "2099-01-01", "\xe9", "9" * 999)
            ),
            *(("Mcp-Method", method) for method in ("", "tools/list", "TOOLS/CALL", "\xe9", "x" * 999)),
            *(("Mcp-Name", wrong) for wrong in ("", "nobody", "=?base64?!!?=", "=?base64?/w==?=", "\xe9", "x" * 999)),
        ):
            yield replace(ask, headers={**ask.headers, name: value}, name=f"{ask.name} {name}: {value[:20]}")
        for kind in ("", "text/plain", "application/json-seq", "multipart/form-data", "application/xml"):
            yield ask.saying(Content_Type=kind)
    for token in ("", "x", "\xe9", "0" * 4000, "../../etc/passwd", "dg_x"):
        yield older("tools/list", {}).saying(Mcp_Session_Id=token)
    for version in ("", "x", "2099-01-01", "2024-13-99", "\xe9"):
        yield older("tools/list", {}).saying(MCP_Protocol_Version=version)
    for method in ("GET", "DELETE"):
        for token in ("", "x", "0" * 4000):
            yield Ask("mcp", method, "/mcp", headers={"Accept": "text/event-stream", "Mcp-Session-Id": token})
        yield Ask("mcp", method, "/mcp", headers={"Accept": "text/event-stream"})
