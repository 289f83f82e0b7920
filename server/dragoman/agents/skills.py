"""A skill in a folder: ``SKILL.md`` and the files it speaks of, as a prompt and as resources.

Follows the Agent Skills specification (``name`` and ``description`` in the front matter, the name being the folder's).
What else the front matter says is for those who run skills, and is let be. Files are read when they are asked for, and
only within the folder.
"""

from __future__ import annotations

import asyncio
import codecs
import mimetypes
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

from pydantic import BaseModel, Field

from dragoman.agents.content import Message
from dragoman.agents.errors import ConfigurationError
from dragoman.agents.front_matter import read_page, shown
from dragoman.agents.naming import titled
from dragoman.agents.prompt import Argument, Prompt
from dragoman.agents.resource import Resource, resource
from dragoman.memory.errors import NotFound

__all__ = ["PAGE", "files_of", "read_skill", "uri_of"]

PAGE = "SKILL.md"
_MOST_FILES = 200
_LARGEST = 16 * 1024 * 1024
_TASK = Argument("task", "What to do with the skill", required=False)


class _Front(BaseModel):
    name: Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=64)]
    description: Annotated[str, Field(min_length=1, max_length=1024)]


def read_skill(folder: Path) -> tuple[Prompt, list[Resource]]:
    """The skill of a folder. Raises ``ConfigurationError`` naming file, key and reason."""
    page = folder / PAGE
    if not _within(page, folder):
        raise ConfigurationError(f"{shown(page)}: it leads out of its folder.")
    front, text = read_page(page, _Front)
    if front.name != folder.name:
        raise ConfigurationError(f"{shown(page)}: name: {front.name!r} must be the folder's, {folder.name!r}.")
    files = list(files_of(folder))
    if len(files) > _MOST_FILES:
        raise ConfigurationError(f"{shown(folder)}: {len(files)} files; {_MOST_FILES} are the most that is taken.")
    if len(files) > 1:
        text += f"\n\n(Other files of this skill are resources; their URIs begin with {uri_of(front.name, '')}.)"
    return _prompt(front, text), [_resource(folder, path, front) for path in files]


def files_of(folder: Path) -> Iterator[Path]:
    """The files of a skill, ``SKILL.md`` first, then by name; none that is hidden or leads out of the folder."""
    found: list[Path] = []
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith((".", "__"))]
        found += [Path(place, name) for name in names if not name.startswith(".")]
        if len(found) > 10 * _MOST_FILES:
            break
    inside = [path for path in found if path.is_file() and _within(path, folder)]
    yield from sorted(inside, key=lambda path: (path != folder / PAGE, path))


def uri_of(skill: str, path: str) -> str:
    """Where a file of a skill is read; ``path`` is within its folder, with slashes."""
    return f"dragoman://skills/{quote(skill)}/{quote(path)}"


def _prompt(front: _Front, text: str) -> Prompt:
    async def render(task: str = "") -> list[Message]:
        return [Message.of(text), *([Message.of(task)] if task.strip() else [])]

    return Prompt(
        render=render,
        name=front.name,
        title=titled(front.name),
        description=front.description,
        arguments=(_TASK,),
    )


def _resource(folder: Path, path: Path, front: _Front) -> Resource:
    within = path.relative_to(folder).as_posix()

    async def read() -> str | bytes:
        return await asyncio.to_thread(_contents, path, folder)

    return resource(
        uri_of(folder.name, within),
        name=f"{folder.name}/{within}",
        title=within,
        description=front.description if within == PAGE else f"A file of the skill {folder.name}",
        mime_type=_mime_type(path),
        size=path.stat().st_size,
    )(read)


def _contents(path: Path, folder: Path) -> str | bytes:
    try:
        real = path.resolve(strict=True)
        if not _within(real, folder):
            raise NotFound("The file leads out of its skill's folder.")
        # No link is followed once it was looked where it leads.
        with os.fdopen(os.open(real, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0)), "rb") as file:
            data = file.read(_LARGEST + 1)
    except OSError:
        raise NotFound("The file is no longer there.") from None
    if len(data) > _LARGEST:
        raise NotFound(f"The file has more than {_LARGEST} bytes, which are not sent.")
    try:
        return data if b"\0" in data else data.decode()
    except UnicodeDecodeError:
        return data


def _mime_type(path: Path) -> str:
    known = mimetypes.guess_type(path.name)[0]
    if known is not None:
        return known
    with path.open("rb") as file:
        head = file.read(1024)
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return "application/octet-stream"
    return "application/octet-stream" if b"\0" in head else "text/plain"


def _within(path: Path, folder: Path) -> bool:
    return path.resolve().is_relative_to(folder.resolve())
