"""Paths into a thread as the SDK's ``extract`` names them: ``values.messages[-1].content``. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from dragoman.agent_protocol.narrow import is_list, is_object
from dragoman.memory.errors import InputInvalid
from dragoman.memory.model import Json

__all__ = ["extracted"]

_PATH: Final = re.compile(r"[^.\[\]]+(\[-?\d{1,9}\])*(\.[^.\[\]]+(\[-?\d{1,9}\])*)*")
_PART: Final = re.compile(r"[^.\[\]]+|\[-?\d+\]")


def extracted(shown: Mapping[str, Json], paths: Mapping[str, str]) -> dict[str, Json]:
    """What the paths point at, by alias; null where there is nothing. Raises ``InputInvalid`` for what is no path."""
    return {alias: _at(shown, path, f"extract.{alias}") for alias, path in paths.items()}


def _at(shown: Mapping[str, Json], path: str, field: str) -> Json:
    if _PATH.fullmatch(path) is None:
        problem = "is not a path like values.messages[-1].content"
        raise InputInvalid(f"{field} {problem}.", ({"field": field, "problem": problem},))
    found: Any = shown
    for part in _PART.findall(path):
        if part.startswith("["):
            index = int(part[1:-1])
            found = found[index] if is_list(found) and -len(found) <= index < len(found) else None
        else:
            found = found.get(part) if is_object(found) else None
    return found
