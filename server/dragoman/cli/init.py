"""``dragoman init``: a working starter folder. The files are those of ``starter/``, copied as they are."""

from __future__ import annotations

import sys
from importlib.resources import files
from pathlib import Path

from dragoman.cli.errors import CommandError

__all__ = ["init"]

FILES = {
    "agents.py": "agents.py",
    "dragoman.toml": "dragoman.toml",
    "README.md": "README.md",
    "gitignore": ".gitignore",
}


def init(folder: Path) -> None:
    """Write the starter files into ``folder``, made if need be. Overwrites nothing."""
    folder = folder.expanduser()
    taken = [name for name in FILES.values() if (folder / name).exists()]
    if taken:
        raise CommandError(f"{folder / taken[0]} is there already, and is left as it is. Choose an empty folder.")
    folder.mkdir(parents=True, exist_ok=True)
    starter = files("dragoman.cli") / "starter"
    for source, name in FILES.items():
        (folder / name).write_bytes((starter / source).read_bytes())
        print(f"  {folder / name}")
    inside = folder.resolve() == Path.cwd()
    print("\nServe it:\n" + ("" if inside else f"  cd {folder}\n") + "  dragoman serve", file=sys.stdout)
