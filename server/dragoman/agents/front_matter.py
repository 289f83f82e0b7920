"""Markdown files that begin with YAML between two lines of three dashes, as prompts and skills do."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, cast

from pydantic import BaseModel, ValidationError

from dragoman.agents.errors import ConfigurationError

__all__ = ["read_page", "shown"]

M = TypeVar("M", bound=BaseModel)

LONGEST = 1024 * 1024
"""Bytes of a file that is a prompt."""
_MATTER = re.compile(r"\A---[ \t]*\n(.*?)^---[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE)


def read_page(file: Path, front: type[M]) -> tuple[M, str]:
    """A file's front matter, checked, and the text after it. Raises ``ConfigurationError`` naming file, key and
    reason."""
    try:
        raw = file.read_bytes()
        text = raw.decode("utf-8-sig").replace("\r\n", "\n")
    except OSError as error:
        raise ConfigurationError(f"{shown(file)}: cannot be read: {error.strerror or error}.") from None
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{shown(file)}: not UTF-8 at byte {error.start}.") from None
    if len(raw) > LONGEST:
        raise ConfigurationError(f"{shown(file)}: {len(raw)} bytes; {LONGEST} are the most that is taken.")
    found = _MATTER.match(text)
    if found is None:
        raise ConfigurationError(
            f"{shown(file)}: no front matter: it begins with a line of three dashes, YAML, and three dashes again."
        )
    try:
        return front.model_validate(_yaml(file, found[1])), text[found.end() :].strip("\n")
    except ValidationError as error:
        raise _explained(file, error) from None


def shown(file: Path) -> str:
    """A path as short as it can be told from here."""
    try:
        return str(file.absolute().relative_to(Path.cwd()))
    except ValueError:
        return str(file)


def _yaml(file: Path, text: str) -> Mapping[str, Any]:
    import yaml  # at the first file: not needed where there are none

    try:
        value: object = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        at = f", line {mark.line + 2}" if mark is not None else ""
        raise ConfigurationError(
            f"{shown(file)}{at}: not YAML: {getattr(error, 'problem', None) or 'it cannot be read'}."
        ) from None
    if not isinstance(value, dict):
        raise ConfigurationError(f"{shown(file)}: the front matter must be keys and values.")
    return cast(dict[str, Any], value)


def _explained(file: Path, error: ValidationError) -> ConfigurationError:
    problem = error.errors(include_url=False, include_context=False, include_input=False)[0]
    key = " ".join(str(part + 1) if isinstance(part, int) else part for part in problem["loc"])
    reason = problem["msg"].removeprefix("Value error, ")
    return ConfigurationError(f"{shown(file)}: {key + ': ' if key else ''}{reason[:1].lower()}{reason[1:]}.")
