"""A person by their id, as a word in texts and JSON: ``ada`` is in "ask ada, please" and not in "adapter". Pure."""

from __future__ import annotations

import re
from typing import Any, Final, TypeGuard

import orjson

from dragoman.memory.codec import dumps
from dragoman.memory.errors import InputInvalid
from dragoman.memory.model import Json

__all__ = ["ERASED", "Person"]

ERASED: Final = "[erased]"
_ESCAPED = re.compile(r'\\(u[0-9a-fA-F]{4}|["\\/bfnrt])')


class Person:
    """Whose data is looked for. Raises ``InputInvalid`` for an empty id."""

    def __init__(self, id: str) -> None:
        if not id.strip() or id.encode(errors="replace").decode() != id:
            raise InputInvalid("The id of a person is a text that is not empty.")
        self.id = id
        self._word = re.compile(rf"(?<!\w){re.escape(id)}(?!\w)")
        # Joined to more it may be another's: ada of ada@example.org, or of mary-ada.
        self._whole = re.compile(rf"(?<!\w)(?<!\w[-.@+]){re.escape(id)}(?!\w|[-.@+]\w)")
        # As a text has it, and as JSON has it.
        self._written = {id.encode(), dumps(id)[1:-1]}

    def named_in(self, value: Any) -> bool:
        """Whether a column's value has their name as a word, or as a part of what may be another's."""
        return self._found(self._word, value)

    def meant_by(self, value: Any) -> bool:
        """Whether a column's value has their name, and not as a part of what may be another's."""
        return self._found(self._whole, value)

    def _found(self, name: re.Pattern[str], value: Any) -> bool:
        if isinstance(value, str):
            return name.search(value) is not None
        if not isinstance(value, bytes) or not any(written in value for written in self._written):
            return False
        text = value.decode(errors="replace")
        return name.search(text) is not None or name.search(_ESCAPED.sub(_meant, text)) is not None

    def owns(self, metadata: bytes) -> bool:
        """Whether metadata says that something is theirs: one of its values is their id."""
        return self.named_in(metadata) and self.id in _values(metadata)

    def erased(self, value: str) -> str:
        """A text without the name, where it is no part of what may be another's."""
        return self._whole.sub(ERASED, value)

    def erased_json(self, value: Json) -> Json:
        """A JSON value without the name, in keys too."""
        if isinstance(value, str):
            return self.erased(value)
        if _is_list(value):
            return [self.erased_json(item) for item in value]
        if _is_object(value):
            return {self.erased(key): self.erased_json(item) for key, item in value.items()}
        return value


def _meant(escaped: re.Match[str]) -> str:
    """What JSON writes with a backslash; a word may begin after it."""
    char = escaped[1]
    return chr(int(char[1:], 16)) if char.startswith("u") else char if char in '"\\/' else " "


def _values(metadata: bytes) -> list[Json]:
    found: dict[str, Json] = orjson.loads(metadata)
    return list(found.values())


def _is_list(value: Json) -> TypeGuard[list[Json]]:
    return isinstance(value, list)


def _is_object(value: Json) -> TypeGuard[dict[str, Json]]:
    return isinstance(value, dict)
