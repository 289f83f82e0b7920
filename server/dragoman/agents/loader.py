"""From where agents are written to the agents themselves: a file or an importable module.

Runs the author's code by importing it, and nothing else: no settings are read here, and nothing is driven. Above it are
``settings`` and ``cli``.
"""

from __future__ import annotations

import difflib
import hashlib
import importlib
import importlib.util
import sys
import traceback
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

from typing_extensions import TypeIs

from dragoman.agents.agent import Agent, Skill
from dragoman.agents.catalog import Catalog, Offer
from dragoman.agents.errors import ConfigurationError
from dragoman.agents.naming import NAME, titled
from dragoman.agents.prompt import Prompt
from dragoman.agents.resource import Resource
from dragoman.agents.tool import Tool

__all__ = ["AgentSource", "Loaded", "load", "load_agents"]


@dataclass(frozen=True, slots=True)
class AgentSource:
    """Where an agent is, and what to tell of it instead of what its code says.

    ``spec`` is ``package.module:attribute`` or, with ``is_file``, ``path/to/file.py`` with or without
    ``:attribute``; without one, all agents of the file or module. ``base`` is the folder that relative paths and
    imports start from. ``where`` is how an error calls the place that named it.
    """

    spec: str
    base: Path
    where: str
    is_file: bool = False
    name: str | None = None
    title: str | None = None
    description: str | None = None
    version: str | None = None
    timeout: float | None = None
    concurrency: int | None = None
    priority: int | None = None
    resumes: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Loaded:
    """What was found: agents, and what is offered beside them. ``tools`` are all tools, exposed or not."""

    agents: tuple[Agent, ...]
    catalog: Catalog
    tools: tuple[Tool[..., Any], ...]

    def __bool__(self) -> bool:
        """Whether there is anything."""
        return bool(self.agents) or any(True for _ in self.catalog.offers())


def load_agents(sources: Iterable[AgentSource]) -> tuple[Agent, ...]:
    """The agents alone; see ``load``."""
    return load(sources).agents


def load(sources: Iterable[AgentSource]) -> Loaded:
    """The agents, in the order they are named, and what their modules offer beside them: exposed tools, resources,
    prompts and catalogs. Raises ``ConfigurationError`` naming the place and the reason."""
    found: dict[str, tuple[Agent, str]] = {}
    modules: dict[str, tuple[ModuleType, str]] = {}
    for source in sources:
        agents, module = _agents_of(source)
        modules.setdefault(module.__name__, (module, source.where))
        for agent in agents:
            if agent.name in found:
                raise ConfigurationError(
                    f"{source.where}: a second agent is named {agent.name!r}; the first is from {found[agent.name][1]}."
                )
            found[agent.name] = agent, source.where
    agents = tuple(agent for agent, _ in found.values())
    return Loaded(agents, *_offered(modules.values(), found))


def _offered(
    modules: Iterable[tuple[ModuleType, str]], agents: Mapping[str, object]
) -> tuple[Catalog, tuple[Tool[..., Any], ...]]:
    catalog, tools = Catalog(), dict[int, Tool[..., Any]]()
    for module, where in modules:
        values: Iterable[Any] = vars(module).values()
        for value in values:
            if isinstance(value, Catalog):
                catalog.include(value)
            elif _is_tool(value):
                tools[id(value)] = value
                if value.expose:
                    _add(catalog, value, agents, where)
            elif isinstance(value, Resource | Prompt):
                _add(catalog, value, agents, where)
    return catalog, tuple(tools.values())


def _is_tool(value: object) -> TypeIs[Tool[..., Any]]:
    return isinstance(value, Tool)


def _add(catalog: Catalog, offer: Offer, agents: Mapping[str, object], where: str) -> None:
    known: Offer | None
    if isinstance(offer, Tool):
        kind, name, known = "tool", offer.name, catalog.tools.get(offer.name)
        if offer.name in agents:
            raise ConfigurationError(f"{where}: a tool and an agent are both named {offer.name!r}; rename one.")
    elif isinstance(offer, Prompt):
        kind, name, known = "prompt", offer.name, catalog.prompts.get(offer.name)
    else:
        kind, name, known = "resource", offer.uri, catalog.resources.get(offer.uri)
    if known is not None and known is not offer:
        raise ConfigurationError(f"{where}: a second {kind} is named {name!r}.")
    if known is None:
        catalog.add(offer)


def _agents_of(source: AgentSource) -> tuple[Sequence[Agent], ModuleType]:
    place, _, attribute = source.spec.rpartition(":") if _has_attribute(source.spec) else (source.spec, "", "")
    module = _load_file(source, place) if source.is_file else _import(source, place)
    there = {key: value for key, value in vars(module).items() if isinstance(value, Agent)}
    if attribute:
        return [_told(source, _attribute(source, module, attribute, there))], module
    agents = list({id(agent): agent for agent in there.values()}.values())
    if not agents and not _offers_anything(module):
        raise ConfigurationError(
            f"{source.where}: no agent in {place}. An agent is an async function under @agent; tools with "
            "expose=True, resources and prompts will do too."
        )
    if source.name is not None and len(agents) > 1:
        raise ConfigurationError(
            f"{source.where}: {place} has {len(agents)} agents; say which one is {source.name!r}, "
            f"as {place}:{next(iter(there))}."
        )
    return [_told(source, agent) for agent in agents], module


def _offers_anything(module: ModuleType) -> bool:
    values: Iterable[Any] = vars(module).values()
    return any(isinstance(v, Resource | Prompt | Catalog) or (_is_tool(v) and v.expose) for v in values)


def _has_attribute(spec: str) -> bool:
    return spec.rpartition(":")[2].isidentifier() and ":" in spec


def _attribute(source: AgentSource, module: ModuleType, attribute: str, there: dict[str, Agent]) -> Agent:
    value = getattr(module, attribute, None)
    if isinstance(value, Agent):
        return value
    if value is None:
        near = difflib.get_close_matches(attribute, there, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"its agents are: {', '.join(there) or 'none'}."
        raise ConfigurationError(f"{source.where}: {source.spec}: no {attribute!r} there; {hint}")
    kind = "an async function without @agent" if callable(value) else f"of type {type(value).__name__}"
    raise ConfigurationError(f"{source.where}: {source.spec}: {attribute!r} is {kind}, not an agent.")


def _told(source: AgentSource, agent: Agent) -> Agent:
    """The agent with what the settings tell of it."""
    name = source.name or agent.name
    if not NAME.match(name):
        raise ConfigurationError(
            f"{source.where}: an agent's name has letters, digits, _ and -, 64 at most: {name!r} does not fit."
        )
    description = source.description or agent.description
    skills = agent.skills
    if len(skills) == 1 and skills[0].id == agent.name:
        skills = (Skill(name, source.title or name, description or name, skills[0].tags, skills[0].examples),)
    return replace(
        agent,
        name=name,
        title=source.title or (agent.title if name == agent.name else titled(name)),
        description=description,
        version=source.version or agent.version,
        skills=skills,
        timeout=source.timeout or agent.timeout,
        concurrency=source.concurrency or agent.concurrency,
        priority=agent.priority if source.priority is None else source.priority,
        resumes=agent.resumes if source.resumes is None else source.resumes,
    )


def _import(source: AgentSource, name: str) -> ModuleType:
    _on_path(source.base)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(f"{error.name}.")):
            raise ConfigurationError(
                f"{source.where}: no module named {error.name!r}, looked for in {source.base} and the environment."
            ) from None
        raise _broken(source, name, error) from error
    except Exception as error:
        raise _broken(source, name, error) from error


def _load_file(source: AgentSource, place: str) -> ModuleType:
    path = (source.base / Path(place).expanduser()).resolve()
    if not path.is_file():
        raise ConfigurationError(f"{source.where}: no file {path}.")
    _on_path(path.parent)
    name = _module_name(path)
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ConfigurationError(f"{source.where}: {path} is not a Python file.")
    module = importlib.util.module_from_spec(spec)
    # Registered before it runs: pydantic and dataclasses look a class's module up by its name.
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        sys.modules.pop(name, None)
        if isinstance(error, Exception | SystemExit):
            raise _broken(source, place, error) from error
        raise
    return module


def _module_name(path: Path) -> str:
    """The file's own name, so that ``import refunds`` elsewhere finds this module; another when that is taken."""
    known = sys.modules.get(path.stem)
    if known is not None and getattr(known, "__file__", None) == str(path):
        return path.stem
    if known is None and path.stem not in sys.stdlib_module_names and path.stem.isidentifier():
        return path.stem
    return f"{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"


def _on_path(folder: Path) -> None:
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))


def _broken(source: AgentSource, place: str, error: BaseException) -> ConfigurationError:
    """The author's code raised: what, and the last line of it that is not of a library."""
    if isinstance(error, SyntaxError):
        return ConfigurationError(f"{source.where}: {error.filename}, line {error.lineno}: syntax error: {error.msg}.")
    ours = str(Path(__file__).parent)
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not f.filename.startswith(("<", ours))]
    own = [f for f in frames if "site-packages" not in f.filename and not f.filename.startswith(sys.base_prefix)]
    at = f"{own[-1].filename}, line {own[-1].lineno}: " if own else f"{place}: "
    return ConfigurationError(f"{source.where}: {at}{type(error).__name__}: {error}")
