"""Each client in an environment of its own below the git-ignored ``.interop/``, since their pins and the project's may
not agree. ``python -m tests.interop.environments`` makes all that are missing; a test makes the one it needs.

Python clients: ``pins/NAME.txt``, everything they draw in, as ``uv pip compile --universal --no-annotate --no-header
--no-emit-index-url`` writes it. npm's: the lines of ``pins/npm.txt``; what those draw in is npm's choice. Needs pip,
npm and their registries, once. Node itself is ``conformance.node``'s.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import venv
from pathlib import Path
from typing import Final

from conformance import node as nodes
from conformance.kept import kept
from conformance.node import Node

__all__ = ["Node", "clients", "node", "npm", "npm_folder", "python"]

PINS: Final = Path(__file__).with_name("pins")
PLACE: Final = Path(__file__).resolve().parents[2] / ".interop"
DEADLINE: Final = 600.0


def clients() -> list[str]:
    """The Python clients that there are pins for."""
    return sorted(path.stem for path in PINS.glob("*.txt") if path.stem != "npm")


def python(name: str) -> Path:
    """The interpreter that has a client and nothing else. Raises ``CalledProcessError`` when pip fails."""
    pins, folder = PINS / f"{name}.txt", PLACE / name
    executable = folder / "bin" / "python"
    with kept(folder, pins.read_text()) as missing:
        if missing:
            venv.create(folder, with_pip=True)
            pip = [str(executable), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            subprocess.run([*pip, "-r", str(pins)], check=True, timeout=DEADLINE, stdin=subprocess.DEVNULL)
    return executable


def node() -> Node:
    """This machine's node and npm where they are young enough, else those of a wheel."""
    return nodes.node(DEADLINE)


def npm(package: str, command: str) -> list[str]:
    """The command line of a pinned npm package's ``command``. Raises ``CalledProcessError`` when npm fails."""
    (pin,) = (pin for pin in _npm_pins() if pin.startswith(package))
    here = _installed(pin)
    script = here / json.loads((here / "package.json").read_text())["bin"][command]
    return [str(node().executable), str(script)]


def npm_folder(package: str) -> Path:
    """Where a pinned npm package is installed, for a script that imports it. Raises ``CalledProcessError``."""
    (pin,) = (pin for pin in _npm_pins() if pin.startswith(package))
    return _installed(pin).parents[package.count("/") + 1]


def _npm_pins() -> list[str]:
    return (PINS / "npm.txt").read_text().split()


def _installed(pin: str) -> Path:
    folder = PLACE / re.sub(r"[^\w.]+", "-", pin).strip("-")
    return nodes.npm_install(node(), folder, pin, DEADLINE, scripts=True)


if __name__ == "__main__":
    for made in (*map(python, clients()), *map(_installed, _npm_pins())):
        print(made, file=sys.stderr)
