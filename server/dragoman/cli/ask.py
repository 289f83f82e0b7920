"""A question of a run before a person: what is shown of it, and the answer that is made of what the person types.

Knows the terminal, not where the run is.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Collection, Mapping
from typing import Any

from dragoman.cli.errors import CommandError
from dragoman.engine.answers import check, from_text
from dragoman.memory.errors import InputInvalid
from dragoman.memory.model import Interrupt, InterruptKind, Json

__all__ = ["answer_of", "ask", "can_ask", "decision", "shown"]

LONGEST_LINE = 65_536


def can_ask() -> bool:
    """Whether there is a person at a terminal."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def shown(question: Interrupt) -> str:
    """A question as text: the message, what it is about, and what an answer may be."""
    lines = [question.message]
    if question.payload is not None:
        lines.append(json.dumps(question.payload, indent=2, ensure_ascii=False))
    schema: Mapping[str, Any] = question.schema
    if question.kind is InterruptKind.APPROVAL:
        lines.append("approve or reject, with a comment if you like: yes, or no because ...")
    elif "enum" in schema:
        lines.append(f"one of: {', '.join(map(str, schema['enum']))}")
    elif schema.get("type") != "string":
        lines.append(f"JSON that fits: {json.dumps(dict(schema), ensure_ascii=False)}")
    return "\n".join(lines)


async def ask(question: Interrupt) -> Json:
    """Ask on the terminal until the answer fits. Raises ``CommandError`` when the person leaves."""
    fields: Mapping[str, Any] = question.schema.get("properties") or {}
    by_field = fields and question.kind is not InterruptKind.APPROVAL
    print(f"\n{question.message if by_field else shown(question)}", file=sys.stderr)
    while True:
        try:
            if not by_field:
                return answer_of(question, await _typed(question.key))
            answer = await _fields(fields, question.schema.get("required") or ())
            check(question, answer)
            return answer
        except InputInvalid as error:
            print(error.message, file=sys.stderr)


async def _fields(fields: Mapping[str, Any], required: Collection[str]) -> dict[str, Json]:
    """Each field for itself; nothing typed leaves out one that need not be there."""
    answer: dict[str, Json] = {}
    for name, schema in fields.items():
        text = await _typed(f"{name} ({schema.get('type', 'JSON')}{'' if name in required else ', may be left out'})")
        if text or name in required:
            answer[name] = text if schema.get("type") == "string" else _parsed(text)
    return answer


def _parsed(text: str) -> Json:
    try:
        return json.loads(text)
    except ValueError:
        return text


async def _typed(prompt: str) -> str:
    # Not input(): it prompts on stdout, which is for the output, and it would hold the event loop, with the leases of
    # the runs in it and the interrupt key.
    print(f"{prompt}: ", end="", file=sys.stderr, flush=True)
    loop, descriptor = asyncio.get_running_loop(), sys.stdin.fileno()
    readable = asyncio.Event()
    loop.add_reader(descriptor, readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(descriptor)
    line = os.read(descriptor, LONGEST_LINE)  # a terminal gives a line at a time
    if not line:
        raise CommandError("nothing was answered; the question stays open.")
    return line.decode(errors="replace").strip()


def answer_of(question: Interrupt, text: str) -> Json:
    """What a text answers: JSON where it is JSON that fits, else what its words mean. Raises ``InputInvalid``."""
    try:
        value: Json = json.loads(text)
        check(question, value)
    except (ValueError, InputInvalid):
        return from_text(question, text)
    return value


def decision(question: Interrupt, *, approved: bool, comment: str | None) -> Json:
    """An approval or a refusal. Raises ``CommandError`` when something else is asked."""
    if question.kind is not InterruptKind.APPROVAL:
        raise CommandError(f"The run does not ask for an approval; give --answer. It asks:\n{shown(question)}", 2)
    return {"approved": approved, **({"comment": comment} if comment else {})}
