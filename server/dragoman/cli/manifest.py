"""What a bundle says of itself: its manifest.json (MCPB manifest 0.4) and its pyproject.toml.

The server's type is ``uv``: the host brings Python and the dependencies, and its user needs neither. Pure functions
from what is known to text; ``bundle`` puts them beside the files.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from dragoman.agents.loader import Loaded
from dragoman.cli.about import About, offers
from dragoman.cli.bundle_main import CHOSEN

__all__ = ["ENTRY", "manifest", "project", "tools"]

ENTRY = "server/main.py"
_FOLDER = "ledger_folder"


def manifest(told: About, loaded: Loaded, variables: Sequence[str]) -> str:
    """The manifest, as JSON. ``variables`` are environment variables that the host asks its user for."""
    extra = {
        "homepage": told.homepage,
        "repository": {"type": "git", "url": told.repository} if told.repository else None,
        "license": told.license,
        "keywords": list(told.keywords),
    }
    fields: dict[str, Any] = {
        "manifest_version": "0.4",
        "name": told.name,
        "display_name": told.title,
        "version": told.version,
        "description": told.description,
        "author": dict(told.author),
        **{key: value for key, value in extra.items() if value},
        "server": {"type": "uv", "entry_point": ENTRY, "mcp_config": _started(variables)},
        "tools": tools(loaded),
        # Made when they are asked for; a prompt of the manifest is a text that never changes.
        **({"prompts_generated": True} if loaded.catalog.prompts else {}),
        # No runtimes: uv brings the Python that pyproject.toml asks for, and hosts refuse a bundle that names one
        # which the machine lacks. Windows has no signals for the event loop.
        "compatibility": {"platforms": ["darwin", "linux"]},
        "user_config": _asked(variables),
    }
    return json.dumps(fields, indent=2, ensure_ascii=False) + "\n"


def tools(loaded: Loaded) -> list[dict[str, str]]:
    """The tools that ``tools/list`` will answer with, by name and description."""
    from dragoman.mcp.companions import COMPANIONS

    told = offers(loaded) | {name: str(each["description"]) for name, each in COMPANIONS.items()}
    return [{"name": name, "description": description} for name, description in told.items()]


def project(told: About, dragoman: str, python: str) -> str:
    """The pyproject.toml, which names what to install. ``dragoman`` is the version that the bundle was made with,
    ``python`` the versions of Python that it runs on."""
    bounds = dict.fromkeys(part.strip() for part in f"{python},{told.python or ''}".split(",") if part.strip())
    lines = [f"    {_quoted(each)}," for each in (f"dragoman=={dragoman}", *told.dependencies)]
    return "\n".join(
        [
            "# What the host installs before it starts server/main.py. Made by `dragoman bundle`.",
            "[project]",
            f"name = {_quoted(told.name)}",
            'version = "0"  # the bundle\'s version is in manifest.json; this project is never built',
            f"requires-python = {_quoted(','.join(bounds))}",
            "dependencies = [",
            *lines,
            "]",
            "",
            "[tool.uv]",
            "package = false",
            "",
        ]
    )


def _started(variables: Sequence[str]) -> Mapping[str, Any]:
    return {
        "command": "uv",
        "args": ["run", "--directory", "${__dirname}", ENTRY],
        "env": {
            CHOSEN: f"${{user_config.{_FOLDER}}}",
            **{name: f"${{user_config.{name.lower()}}}" for name in variables},
        },
    }


def _asked(variables: Sequence[str]) -> Mapping[str, Any]:
    folder = {
        "type": "directory",
        "title": "Folder for runs",
        "description": "Where runs and their answers are kept. Left empty: this user's own application folder.",
        "required": False,
    }
    secrets = {
        name.lower(): {
            "type": "string",
            "title": name,
            "description": f"The agents read it from the environment variable {name}.",
            "required": True,
            "sensitive": True,
        }
        for name in variables
    }
    return {_FOLDER: folder, **secrets}


def _quoted(text: str) -> str:
    """A TOML basic string."""
    return json.dumps(text, ensure_ascii=False)
