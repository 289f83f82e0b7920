"""Reads settings: the file, then ``DRAGOMAN_TABLE__KEY``, then the command line, the later winning.

The two underscores keep names apart that a cluster injects for a service called "dragoman"
(``DRAGOMAN_SERVER_PORT=tcp://...``).
"""

from __future__ import annotations

import difflib
import os
import re
import sys
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self, cast

from pydantic import BaseModel, ValidationError

from dragoman.agents.errors import ConfigurationError
from dragoman.memory.postgres import is_postgres
from dragoman.settings.outside_tables import PeerTable
from dragoman.settings.root import Settings, shown
from dragoman.settings.tables import AgentTable

__all__ = ["FILE_NAME", "Flags", "find", "load", "user_folder"]

FILE_NAME = "dragoman.toml"
Flags = Mapping[str, Mapping[str, Any]]
_FLAGS = {"storage.path": "--storage", "auth.mode": "--auth", "log.level": "--log-level"}
_PYTHON_FILE = re.compile(r"\.py(:\w+)?$")


def find(
    target: str | None, flags: Flags | None = None, env: Mapping[str, str] | None = None, *, needs_agents: bool = True
) -> Settings:
    """The settings for what a command was told to serve.

    ``target`` is a settings file, a folder with a ``dragoman.toml``, a Python file or ``package.module:name``;
    None is the file that ``DRAGOMAN_CONFIG`` names, or ``dragoman.toml`` here. Raises ``ConfigurationError``.
    """
    env = os.environ if env is None else env
    target = target or env.get("DRAGOMAN_CONFIG") or (FILE_NAME if Path(FILE_NAME).is_file() else None)
    if target is None:
        if needs_agents:
            raise ConfigurationError(
                f"No {FILE_NAME} here: name a file with agents (`dragoman serve agents.py`), or begin with "
                "`dragoman init`."
            )
        return load(None, flags, env)
    path = Path(target).expanduser()
    if path.suffix == ".toml" or path.is_dir():
        return load(path / FILE_NAME if path.is_dir() else path, flags, env)
    is_file = _PYTHON_FILE.search(target) is not None
    if not is_file and not re.fullmatch(r"[A-Za-z_][\w.]*(:[A-Za-z_]\w*)?", target):
        raise ConfigurationError(f"{target}: not a .toml file, a folder with a {FILE_NAME}, a .py file or module:name.")
    agent = AgentTable.model_validate({"path" if is_file else "import": target})
    return load(None, flags, env).model_copy(update={"agents": (agent,)})


def load(file: Path | None = None, flags: Flags | None = None, env: Mapping[str, str] | None = None) -> Settings:
    """Read and check the settings.

    ``flags`` are the command line's, ``{"server": {"port": 8001}}``; ``env`` is the process's unless given. Raises
    ``ConfigurationError`` naming the file, variable or flag, the key and the reason.
    """
    layers = [
        _Layer.of_file(file) if file else _Layer("settings", {}),
        _Layer.of_environment(os.environ if env is None else env),
        _Layer("flag", {t: {k: v for k, v in keys.items() if v is not None} for t, keys in (flags or {}).items()}),
    ]
    for layer in layers[1:]:  # a path that was typed starts where it was typed
        path = layer.tables.get("storage", {}).get("path")
        if isinstance(path, str) and is_postgres(path):
            layer.tables["storage"]["url"] = layer.tables["storage"].pop("path")
        elif isinstance(path, str | Path):
            layer.tables["storage"]["path"] = Path.cwd() / Path(path).expanduser()
    merged: dict[str, Any] = {}
    for layer in layers:
        for table, keys in layer.tables.items():
            here = merged.get(table)
            merged[table] = {**here, **keys} if isinstance(here, dict) and isinstance(keys, dict) else keys
    for own in ("file", "base"):
        if own in merged:
            raise ConfigurationError(_unknown(f"{layers[0].told}: {own}", own))
    folder = file.parent if file else Path.cwd()
    try:
        return Settings.model_validate({**merged, "file": file, "base": folder.absolute()})
    except ValidationError as error:
        raise ConfigurationError(_explain(error, layers)) from None


def user_folder(env: Mapping[str, str] | None = None) -> Path:
    """The folder for what this user's programs keep: the XDG state folder, or the platform's."""
    env = os.environ if env is None else env
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "dragoman"
    if sys.platform == "win32":
        return Path(env.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "dragoman"
    return Path(env.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "dragoman"


class _Layer:
    """One source of settings, and how to call it in an error."""

    def __init__(self, told: str, tables: Mapping[str, Any]) -> None:
        self.told = told
        self.tables = tables

    @classmethod
    def of_file(cls, file: Path) -> Self:
        told = shown(file)
        try:
            tables = tomllib.loads(file.read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigurationError(f"{told}: cannot be read: {error.strerror or error}.") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"{told}: not TOML: {error}.") from None
        if "agents" in tables:
            tables["agents"] = _agents(told, tables["agents"])
        return cls(told, tables)

    @classmethod
    def of_environment(cls, env: Mapping[str, str]) -> Self:
        tables: dict[str, dict[str, Any]] = {}
        for variable, text in env.items():
            found = re.fullmatch(r"DRAGOMAN_([A-Z0-9]+)__([A-Z0-9_]+)", variable)
            if found and found[1] == "AGENTS":
                raise ConfigurationError(f"{variable}: agents are named in {FILE_NAME} or on the command line.")
            if found:
                tables.setdefault(found[1].lower(), {})[found[2].lower()] = _value(text)
        return cls("environment", tables)

    def has(self, loc: tuple[int | str, ...]) -> bool:
        table = self.tables.get(str(loc[0])) if loc else None
        return isinstance(table, list) or (isinstance(table, Mapping) and (len(loc) < 2 or loc[1] in table))

    def key(self, loc: tuple[int | str, ...]) -> str:
        """``dragoman.toml: [server] port``, ``DRAGOMAN_SERVER__PORT`` or ``--port``."""
        names = [str(part) for part in loc]
        if self.told == "flag":
            return _FLAGS.get(".".join(names), f"--{names[-1].replace('_', '-')}")
        if self.told == "environment":
            return f"DRAGOMAN_{'__'.join(names[:2]).upper()}"
        if names[0] == "agents" and len(names) > 1:
            entry = cast(list[dict[str, Any]], self.tables["agents"])[int(names[1])]
            names[1] = str(entry.get("name") or int(names[1]) + 1)
        return f"{self.told}: [{names[0]}] {' '.join(names[1:])}".rstrip()


def _agents(told: str, value: object) -> list[dict[str, Any]]:
    """``[agents]`` as a list of tables, from ``name = "module:attr"``, ``[agents.name]``, ``[[agents]]`` or a list
    of texts."""
    if isinstance(value, dict):
        named = cast(dict[str, Any], value)
        return [{"name": name, **_agent(f"{told}: [agents] {name}", entry)} for name, entry in named.items()]
    if isinstance(value, list):
        listed = cast(Iterable[object], value)
        return [_agent(f"{told}: [agents] {n}", entry) for n, entry in enumerate(listed, 1)]
    raise ConfigurationError(f'{told}: agents: a table of name = "module:attribute", or a list of tables, is expected.')


def _agent(where: str, entry: object) -> dict[str, Any]:
    if isinstance(entry, str):
        return {"path" if _PYTHON_FILE.search(entry) else "import": entry}
    if isinstance(entry, dict):
        return cast(dict[str, Any], entry)
    raise ConfigurationError(f'{where}: "module:attribute", "file.py" or a table is expected.')


def _value(text: str) -> str | int | float:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _explain(error: ValidationError, layers: list[_Layer]) -> str:
    problem = error.errors(include_url=False, include_context=False)[0]
    loc = problem["loc"]
    layer = next((layer for layer in reversed(layers) if layer.has(loc)), layers[0])
    if problem["type"] == "extra_forbidden":
        return _unknown(layer.key(loc), str(loc[len(loc) - 1]), str(loc[0]) if len(loc) > 1 else None)
    reason = problem["msg"].removeprefix("Value error, ")
    return f"{layer.key(loc)}: {reason[:1].lower()}{reason[1:]}, not {problem['input']!r}."


def _unknown(where: str, name: str, table: str | None = None) -> str:
    tables = {key: field for key, field in Settings.model_fields.items() if not field.exclude}
    known = list(tables)
    if table is not None:
        model = {"agents": AgentTable, "peers": PeerTable}.get(table) or tables[table].annotation
        fields = cast(type[BaseModel], model).model_fields
        known = [field.alias or key for key, field in fields.items()]
    near = difflib.get_close_matches(name.lower(), known, n=1)
    home = [key for key, field in tables.items() if name in getattr(field.annotation, "model_fields", ())]
    if table is None and home:
        return f"{where}: this key belongs under [{home[0]}]."
    hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}."
    return f"{where}: unknown {'table' if table is None else 'key'}; {hint}"
