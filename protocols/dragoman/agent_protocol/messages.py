"""Messages: in from every form that clients send, out in the form of each surface. Pure.

The domain keeps ``{"role", "content", "id"}`` and, where the content was more than text, its blocks under ``parts``.
Agent Protocol has ``role`` and ``content`` (0.1.6, Message); the LangGraph SDK has LangChain's ``type``, ``content``
and ``id``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import Any, Final

from dragoman.agent_protocol.narrow import is_list, is_object
from dragoman.agent_protocol.surface import Surface
from dragoman.memory.errors import InputInvalid
from dragoman.memory.ids import short_digest, uuid7
from dragoman.memory.model import Json

__all__ = ["heard", "last_said", "looks_like_messages", "told"]

_ROLES: Final[Mapping[str, str]] = {
    "human": "user",
    "ai": "assistant",
    "AIMessageChunk": "assistant",
    "HumanMessageChunk": "user",
}
_TYPES: Final[Mapping[str, str]] = {"user": "human", "assistant": "ai", "developer": "system"}
_PLAIN: Final[Set[str]] = frozenset({"role", "content", "id"})
_OWN: Final = frozenset({"role", "type", "content", "id", "parts"})


def heard(message: Json, field: str) -> dict[str, Json]:
    """A message in the domain's form, from ``"text"``, ``["user", "text"]``, ``{"role", "content"}`` or
    ``{"type", "content"}``. Raises ``InputInvalid`` naming the field."""
    given = _as_object(message)
    if given is None:
        raise _wrong(field, "a message is an object with role and content")
    role = given.get("role", given.get("type"))
    if not isinstance(role, str) or not role or role == "remove":
        raise _wrong(f"{field}.role", "must be the name of a role, as user or assistant")
    content = given.get("content")
    text, only_text = _text(content, f"{field}.content")
    identity = given.get("id")
    if identity is not None and not isinstance(identity, str):
        raise _wrong(f"{field}.id", "must be a string")
    made: dict[str, Json] = {"role": _ROLES.get(role, role), "content": text, "id": identity or short_digest(uuid7())}
    if not only_text:
        made["parts"] = content
    return made | {k: v for k, v in given.items() if k not in _OWN and v not in (None, {}, [])}


def _as_object(message: Json) -> dict[str, Any] | None:
    if isinstance(message, str):
        return {"role": "user", "content": message}
    if is_list(message) and len(message) == 2:
        return {"role": message[0], "content": message[1]}
    return message if is_object(message) else None


def last_said(messages: Json, field: str) -> dict[str, Json] | None:
    """The last message of a user, or None where there is none. Raises ``InputInvalid`` for what is no message."""
    given = messages if is_list(messages) else [messages]
    said = [m for m in (heard(m, f"{field}.{n}") for n, m in enumerate(given)) if m["role"] == "user"]
    return said[-1] if said else None


def looks_like_messages(value: Sequence[Json]) -> bool:
    """Whether a list is one of messages and not of something else."""
    return bool(value) and all(is_object(m) and "content" in m and ("role" in m or "type" in m) for m in value)


def told(message: Mapping[str, Json], surface: Surface) -> dict[str, Json]:
    """A message of a thread in a surface's form."""
    if surface is Surface.AGENT_PROTOCOL and len(message) == 3 and message.keys() >= _PLAIN:
        return dict(message)  # as the engine makes them, and as this surface has them
    parts = message.get("parts")
    content = parts if _are_blocks(parts) else message.get("content", "")
    role = str(message.get("role", "assistant"))
    rest = {k: v for k, v in message.items() if k not in _OWN}
    named: dict[str, Json] = {"id": message["id"]} if message.get("id") else {}
    if surface is Surface.AGENT_PROTOCOL:
        return {"role": role, "content": content, **named, **rest}
    shape: dict[str, Json] = {"additional_kwargs": {}, "response_metadata": {}}
    return {"type": _TYPES.get(role, role), "content": content, **named, **shape, **rest}


def _are_blocks(parts: Json) -> bool:
    return is_list(parts) and all(is_object(block) and isinstance(block.get("type"), str) for block in parts)


def _text(content: Json, field: str) -> tuple[str, bool]:
    """What a content says, its text or that of its blocks, and whether it is nothing but text."""
    if isinstance(content, str):
        return content, True
    if not is_list(content):
        raise _wrong(field, "must be a string or a list of blocks")
    lines: list[str] = []
    for n, block in enumerate(content):
        if not is_object(block) or not isinstance(block.get("type"), str):
            raise _wrong(f"{field}.{n}", "a block is an object with a type")
        if block["type"] == "text" and isinstance(block.get("text"), str):
            lines.append(block["text"])
    return "\n".join(lines), len(lines) == len(content)


def _wrong(field: str, problem: str) -> InputInvalid:
    return InputInvalid(f"Invalid messages: {field}: {problem}.", ({"field": field, "problem": problem},))
