"""What every driver shares: the server it is given, what it asks of it, the person who answers, and what it prints.

A driver runs in its client's own environment: nothing of the project, and of others nothing but its client, is imported
there. It is given the server, as ``{"url": …}`` or ``{"command": […]}``, and the mode to connect in where its client
has several. It prints one JSON object: ``versions``, ``tools`` by name, ``progress`` as told, what the person was
``asked``, each call's result by the agent's name, and for a client without a person ``handle`` and ``answered``.
"""

import asyncio
import json
import sys
from collections.abc import Callable, Coroutine, Mapping
from importlib.metadata import version
from typing import Any

SERVER: dict[str, Any] = json.loads(sys.argv[1])
URL: str | None = SERVER.get("url")
COMMAND: list[str] = SERVER.get("command", [])
MODE: str = sys.argv[2] if len(sys.argv) > 2 else ""

CALLS: dict[str, dict[str, Any]] = {"greet": {"name": "Ada"}, "fail": {}, "report": {}}
QUESTIONS: dict[str, dict[str, Any]] = {"refund": {"order_id": "A-1", "amount": 500}, "delete": {"thing": "it"}}
COUNT = {"to": 3}

Seen = dict[str, Any]


def yes(schema: Mapping[str, Any]) -> dict[str, Any]:
    """What a person who agrees to everything fills into a form."""
    content: dict[str, Any] = {}
    for name in schema["required"]:
        field = schema["properties"][name]
        content[name] = field["enum"][0] if "enum" in field else True if field["type"] == "boolean" else "fine"
    return content


def answer(handle: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of ``run_answer`` for a handle: yes again."""
    return {"run_id": handle["run_id"], "answer": "approve"}


def result(content: Any, structured: Any, error: bool) -> dict[str, Any]:
    """A call's result: its first text, all its parts as their types, and the structured content."""
    parts = [plain(part) for part in content]
    text = next((part["text"] for part in parts if part.get("type") == "text"), None)
    return {"text": text, "parts": [part.get("type") for part in parts], "structured": structured, "error": error}


def plain(value: Any) -> Any:
    """A value as JSON has it, as the protocol names it."""
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json", by_alias=True, exclude_none=True)
    if isinstance(value, Mapping):
        return {str(name): plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    return value


def run(see: Callable[[Seen], Coroutine[Any, Any, None]], *packages: str) -> None:
    """Let a driver look, and print what it saw."""
    seen: Seen = {"versions": {name: version(name) for name in packages}, "progress": [], "asked": []}
    asyncio.run(see(seen))
    print(json.dumps(plain(seen)))
