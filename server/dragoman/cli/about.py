"""What is told of a set of agents when it is packaged: its name, version, description, author and dependencies.

Read from the command line, then from ``[project]`` of a pyproject.toml beside the agents, then from the agents. Used
by ``manifest`` and ``server_json``; nothing is written here.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from dragoman.agents.loader import Loaded
from dragoman.cli.errors import CommandError

__all__ = ["About", "Given", "about", "offers", "slug"]

_NO_VERSION = re.compile(r"[\s<>=^~*]|\.x\b|^latest$")


@dataclass(frozen=True, slots=True)
class Given:
    """What the command line tells; None is: find it."""

    name: str | None = None
    version: str | None = None
    description: str | None = None
    author: str | None = None
    homepage: str | None = None
    dependencies: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class About:
    """``name`` has lower-case letters, digits and hyphens; ``author`` is a name, with an e-mail address if known.
    ``dependencies`` are requirements (PEP 508) beside dragoman, ``python`` the author's own bound."""

    name: str
    title: str
    version: str
    description: str
    author: Mapping[str, str]
    homepage: str | None = None
    repository: str | None = None
    license: str | None = None
    keywords: tuple[str, ...] = ()
    dependencies: tuple[str, ...] = ()
    python: str | None = None
    unread: tuple[str, ...] = field(default=())
    """What the pyproject.toml says that cannot be carried over."""


def about(folder: Path, fallback: str, loaded: Loaded, given: Given) -> About:
    """What there is to tell. ``fallback`` is the name where none is given.

    Raises ``CommandError`` for a name without letters or digits, or a version that is a range.
    """
    file = folder / "pyproject.toml"
    pyproject: Mapping[str, Any] = _read(file) if file.is_file() else {}
    project = _table(pyproject, "project")
    wanted = given.name or _text(project, "name") or fallback
    name = slug(wanted)
    if not name:
        raise CommandError(f"{wanted!r} has no letters or digits to make a name of; give one with --name.", 2)
    version = given.version or _text(project, "version") or _version(loaded)
    if _NO_VERSION.search(version):
        raise CommandError(f"{version!r} is not one version; give one as 1.2.3 with --version.", 2)
    urls = {key.lower(): str(value) for key, value in _table(project, "urls").items()}
    return About(
        name=name,
        title=wanted if wanted != name else name.replace("-", " ").capitalize(),
        version=version,
        description=given.description or _text(project, "description") or _description(loaded) or name,
        author={"name": given.author} if given.author else _author(project) or {"name": name},
        homepage=given.homepage or _web(urls, "homepage", "home"),
        repository=_web(urls, "repository", "source", "source code", "code"),
        license=_text(project, "license"),
        keywords=tuple(str(word) for word in project.get("keywords", ())),
        dependencies=(*(str(line) for line in project.get("dependencies", ())), *given.dependencies),
        python=_text(project, "requires-python"),
        unread=("[tool.uv.sources]",) if _table(_table(pyproject, "tool"), "uv").get("sources") else (),
    )


def offers(loaded: Loaded) -> dict[str, str]:
    """What a client calls, agents and exposed tools, by name, with what is told of each."""
    agents = {agent.name: agent.description or agent.title for agent in loaded.agents}
    return agents | {tool.name: tool.description or tool.title for tool in loaded.catalog.tools.values()}


def slug(text: str) -> str:
    """Lower-case letters, digits and single hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _read(file: Path) -> Mapping[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CommandError(f"{file}: not TOML: {error}.", 2) from None


def _table(of: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = of.get(key)
    return cast(Mapping[str, Any], value) if isinstance(value, Mapping) else {}


def _text(of: Mapping[str, Any], key: str) -> str | None:
    value = of.get(key)
    return value if isinstance(value, str) and value else None


def _web(urls: Mapping[str, str], *labels: str) -> str | None:
    return next((urls[label] for label in labels if urls.get(label, "").startswith(("https://", "http://"))), None)


def _author(project: Mapping[str, Any]) -> Mapping[str, str] | None:
    authors: Iterable[Mapping[str, Any]] = project.get("authors", ())
    for author in authors:
        if (name := _text(author, "name")) is not None:
            email = _text(author, "email")
            return {"name": name, "email": email} if email else {"name": name}
    return None


def _version(loaded: Loaded) -> str:
    versions = {agent.version for agent in loaded.agents}
    return versions.pop() if len(versions) == 1 else "1.0.0"


def _description(loaded: Loaded) -> str:
    offered = offers(loaded)
    if len(offered) == 1:
        return next(iter(offered.values())).split("\n")[0]
    return f"Tools: {', '.join(offered)}" if offered else ""
