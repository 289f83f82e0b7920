"""A prompt in a file: Markdown with front matter, and ``{{argument}}`` where an argument's value goes.

The text is one message of the user's; one whose first line is ``user:`` or ``assistant:`` is several messages, each
after such a line, as Prompty has them. Nothing else is a template language: a value is put in as it is, and is never
looked at again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from dragoman.agents.content import Message
from dragoman.agents.errors import ConfigurationError
from dragoman.agents.front_matter import read_page, shown
from dragoman.agents.naming import NAME, titled
from dragoman.agents.prompt import Argument, Prompt

__all__ = ["read_prompt"]

_PLACE = re.compile(r"(\\?)\{\{[ \t]*([A-Za-z_][A-Za-z0-9_-]*)?[ \t]*(\}\})?")
_ROLE = re.compile(r"^(user|assistant|system):[ \t]*$", re.MULTILINE)
Role = Literal["user", "assistant"]
Piece = tuple[str, bool]
"""Text, or the name of an argument: then True."""


class _Argument(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_-]{0,63}$")]
    title: str | None = None
    description: str = ""
    required: bool | None = None
    default: str | None = None
    choices: list[str] = []

    @property
    def needed(self) -> bool:
        return self.default is None if self.required is None else self.required


class _Front(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str | None = None
    title: str | None = None
    description: Annotated[str, Field(min_length=1)]
    arguments: list[_Argument] = []
    scopes: list[str] = []

    @field_validator("name")
    @classmethod
    def _fits(cls, value: str | None) -> str | None:
        if value is not None and not NAME.match(value):
            raise ValueError("a name has letters, digits, _ and -, 64 at most")
        return value

    @field_validator("arguments")
    @classmethod
    def _differ(cls, value: list[_Argument]) -> list[_Argument]:
        names = [argument.name for argument in value]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"{twice!r} is there twice")
        return value


def read_prompt(file: Path) -> Prompt:
    """The prompt of a file, named as the file unless it says otherwise. Raises ``ConfigurationError`` naming file, key
    and reason."""
    front, text = read_page(file, _Front)
    name = front.name or file.stem
    if not NAME.match(name):
        raise ConfigurationError(f"{shown(file)}: name: the file's name cannot be the prompt's; give it one.")
    names = {argument.name for argument in front.arguments}
    messages: list[tuple[Role, list[Piece]]] = [(r, _pieces(file, part, names)) for r, part in _messages(file, text)]
    unset = {argument.name: argument.default or "" for argument in front.arguments}

    async def render(**values: str) -> list[Message]:
        given = {**unset, **values}
        return [Message.of(_filled(pieces, given), role) for role, pieces in messages]

    return Prompt(
        render=render,
        name=name,
        title=front.title or titled(name),
        description=front.description,
        arguments=tuple(Argument(a.name, a.description, a.needed, a.title) for a in front.arguments),
        scopes=frozenset(front.scopes),
        completers={a.name: tuple(a.choices) for a in front.arguments if a.choices},
    )


def _messages(file: Path, text: str) -> list[tuple[Role, str]]:
    if not text.strip():
        raise ConfigurationError(f"{shown(file)}: there is no text after the front matter.")
    if _ROLE.match(text.lstrip("\n")) is None:
        return [("user", text)]
    parts = _ROLE.split(text)[1:]
    messages: list[tuple[Role, str]] = []
    for role, part in zip(parts[::2], parts[1::2], strict=True):
        if role == "system":
            raise ConfigurationError(f"{shown(file)}: system: a prompt's messages are the user's or the assistant's.")
        if not part.strip():
            raise ConfigurationError(f"{shown(file)}: {role}: the message has no text.")
        messages.append(("assistant" if role == "assistant" else "user", part.strip("\n")))
    return messages


def _pieces(file: Path, text: str, names: set[str]) -> list[Piece]:
    pieces: list[Piece] = []
    at = 0
    for place in _PLACE.finditer(text):
        pieces.append((text[at : place.start()], False))
        at = place.end()
        escaped, name, closed = place.groups()
        if escaped:
            pieces.append((place.group()[1:], False))
        elif name is None or not closed:
            part = text[place.start() :].partition("\n")[0][:20]
            raise ConfigurationError(
                f"{shown(file)}: {part!r} is no {{{{argument}}}}; two braces that are meant need a \\ before them."
            )
        elif name not in names:
            known = ", ".join(sorted(names)) or "none"
            raise ConfigurationError(f"{shown(file)}: arguments: {{{{{name}}}}} is none of them; they are: {known}.")
        else:
            pieces.append((name, True))
    return [piece for piece in [*pieces, (text[at:], False)] if piece[0]]


def _filled(pieces: Sequence[Piece], values: Mapping[str, Any]) -> str:
    return "".join(values[text] if is_name else text for text, is_name in pieces)
