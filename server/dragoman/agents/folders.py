"""Prompts and skills that are kept in folders: in the catalog from the start, and as they come, change and go.

``*.md`` in the one folder is a prompt, a folder with ``SKILL.md`` in the other is a skill. What a file says is
``prompt_files.py``'s and ``skills.py``'s to know; here it is looked for, now and then, by size and time alone. A file
that cannot be read as one stops the start; later it is logged, and what it was before stays.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from dragoman.agents.catalog import Catalog, Offer
from dragoman.agents.errors import ConfigurationError
from dragoman.agents.front_matter import shown
from dragoman.agents.prompt import Prompt
from dragoman.agents.prompt_files import read_prompt
from dragoman.agents.resource import Resource
from dragoman.agents.skills import PAGE, files_of, read_skill, uri_of

__all__ = ["Folders"]

Stamp = tuple[int, int, int]
Stamps = Mapping[str, Stamp]
"""Size, time and inode of each file of a source, by its path within it."""
_log = logging.getLogger("dragoman.agents")


@dataclass(frozen=True, slots=True)
class _Source:
    """A prompt's file, or a skill's folder."""

    path: Path
    is_skill: bool


@dataclass(slots=True)
class _Known:
    stamps: Stamps
    offers: list[Offer] = field(default_factory=list[Offer])
    refused: bool = False


class Folders:
    """Keeps a catalog as two folders are. Either may be None, or not be there (yet)."""

    def __init__(self, catalog: Catalog, prompts: Path | None, skills: Path | None, every: float = 2.0) -> None:
        """``every`` is how many seconds lie between two looks."""
        self._catalog = catalog
        self._prompts = prompts
        self._skills = skills
        self._every = every
        self._known: dict[_Source, _Known] = {}

    def load(self) -> None:
        """Take in what is there. Raises ``ConfigurationError`` naming file, key and reason."""
        try:
            found = self._stamped()
        except OSError as error:
            raise ConfigurationError(f"{error.filename}: cannot be read: {error.strerror or error}.") from None
        for source, stamps in found.items():
            self._take(source, stamps, _read(source))

    @asynccontextmanager
    async def watched(self) -> AsyncGenerator[None]:
        """Look again and again while the block runs."""
        if self._prompts is None and self._skills is None:
            yield
            return
        task = asyncio.create_task(self._watch(), name="prompt-folders")
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    # -- looking ------------------------------------------------------------------------------------------------------
    async def _watch(self) -> None:
        problem = ""
        while True:
            await asyncio.sleep(self._every)
            try:
                await self._look()
                problem = ""
            except Exception as error:
                if str(error) != problem:  # once, not at every look
                    problem = str(error)
                    _log.error("prompts and skills cannot be looked for: %s", error)

    async def _look(self) -> None:
        found = await asyncio.to_thread(self._stamped)
        gone = [source for source in self._known if source not in found]
        for source in gone:
            self._catalog.remove(*self._known.pop(source).offers)
            _log.info("%s has gone", shown(source.path))
        for source, stamps in found.items():
            known = self._known.get(source)
            # One that was refused may have been so for a name that is free now.
            if known is None or known.stamps != stamps or (known.refused and gone):
                await self._try(source, stamps)

    async def _try(self, source: _Source, stamps: Stamps) -> None:
        try:
            self._take(source, stamps, await asyncio.to_thread(_read, source))
        except (ConfigurationError, OSError) as error:
            _log.error("%s", error)
            known = self._known.get(source)
            self._known[source] = _Known(stamps, [] if known is None else known.offers, refused=True)

    def _stamped(self) -> dict[_Source, Stamps]:
        return {source: stamps for source in self._sources() if (stamps := _stamps(source))}

    def _sources(self) -> Iterator[_Source]:
        for path in _entries(self._prompts):
            if path.suffix == ".md" and path.name.lower() != "readme.md" and path.is_file():
                yield _Source(path, is_skill=False)
        for path in _entries(self._skills):
            if (path / PAGE).is_file():
                yield _Source(path, is_skill=True)

    # -- taking in ----------------------------------------------------------------------------------------------------
    def _take(self, source: _Source, stamps: Stamps, offers: list[Offer]) -> None:
        known = self._known.get(source)
        before = {_key(offer): offer for offer in known.offers} if known is not None else {}
        for offer in offers:
            if isinstance(offer, Prompt) and offer.name in self._catalog.prompts and _key(offer) not in before:
                raise ConfigurationError(f"{shown(source.path)}: name: another prompt is named {offer.name!r}.")
        keys = {_key(offer) for offer in offers}
        self._catalog.remove(*(offer for key, offer in before.items() if key not in keys))
        kept = [_kept(offer, before.get(_key(offer))) for offer in offers]
        self._catalog.add(*(offer for offer in kept if before.get(_key(offer)) is not offer))
        self._known[source] = _Known(stamps, kept)
        if known is None:
            return
        _log.info("%s has changed", shown(source.path))
        for name, stamp in known.stamps.items() if source.is_skill else ():
            if stamps.get(name, stamp) != stamp:
                self._catalog.changed(uri_of(source.path.name, name))


def _key(offer: Offer) -> str:
    return offer.uri if isinstance(offer, Resource) else offer.name


def _kept(offer: Offer, before: Offer | None) -> Offer:
    """The offer, or the one before it where that is told of alike: a resource reads its file anew in any case."""
    if isinstance(offer, Resource) and isinstance(before, Resource):
        same = (before.mime_type, before.size, before.description) == (offer.mime_type, offer.size, offer.description)
        return before if same else offer
    return offer


def _read(source: _Source) -> list[Offer]:
    if not source.is_skill:
        return [read_prompt(source.path)]
    prompt, resources = read_skill(source.path)
    return [prompt, *resources]


def _entries(folder: Path | None) -> list[Path]:
    """What lies in a folder, by name: nothing hidden, and nothing that leads out of it."""
    if folder is None:
        return []
    try:
        names = sorted(entry.name for entry in os.scandir(folder) if not entry.name.startswith("."))
    except (FileNotFoundError, NotADirectoryError):
        return []
    real = folder.resolve()
    return [folder / name for name in names if (folder / name).resolve().is_relative_to(real)]


def _stamps(source: _Source) -> Stamps:
    """Empty where it went away meanwhile."""
    files = files_of(source.path) if source.is_skill else [source.path]
    stamps: dict[str, Stamp] = {}
    for file in files:
        with contextlib.suppress(FileNotFoundError):
            told = file.stat()
            name = file.relative_to(source.path).as_posix() if source.is_skill else ""
            stamps[name] = told.st_size, told.st_mtime_ns, told.st_ino
    return stamps
