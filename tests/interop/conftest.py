"""The server as people start it, ``dragoman serve`` and ``dragoman stdio``, and what a driver of a client saw of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from conformance.replicated import serve_many

from .environments import Node, node

AGENTS = Path(__file__).with_name("agents.py")
DRIVERS = Path(__file__).with_name("drivers")
DEADLINE = 90.0
REPLICAS = int(os.environ.get("INTEROP_REPLICAS", "1"))

Server = dict[str, Any]
Seen = dict[str, Any]
See = Callable[..., Seen]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """``dragoman serve`` on a free port: the address of its MCP face. With ``INTEROP_REPLICAS`` that many servers on
    one Postgres, each request to the next one."""
    folder = tmp_path_factory.mktemp("served")
    if REPLICAS > 1:
        with serve_many(AGENTS, folder, REPLICAS) as served:
            yield served.url
        return
    command = [sys.executable, "-m", "dragoman.cli", "serve", str(AGENTS)]
    command += ["--port", "0", "--storage", str(folder / "ledger.db")]
    with (folder / "stderr.log").open("w") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True)
    assert process.stdout is not None
    try:
        found = (line.split()[-1] for line in process.stdout if line.startswith("  Agent Protocol"))
        address = next(found, None)
        assert address is not None, (folder / "stderr.log").read_text()
        yield f"{address.rstrip('/')}/mcp"
    finally:
        process.terminate()
        process.communicate(timeout=DEADLINE)


@pytest.fixture(params=["http", "stdio"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Server:
    """Either server, as drivers are given it."""
    if request.param == "http":
        return {"url": request.getfixturevalue("url")}
    storage = str(tmp_path / "stdio.db")
    return {"command": [sys.executable, "-m", "dragoman.cli", "stdio", str(AGENTS), "--storage", storage]}


@pytest.fixture
def see(tmp_path: Path) -> See:
    """``see(python, driver, server, mode)``: what a driver saw, in the environment of that interpreter."""

    def run(python: Path, driver: str, server: Server, *mode: str) -> Seen:
        command = [str(python), str(DRIVERS / f"{driver}.py"), json.dumps(server), *mode]
        # Clients keep files in the home folder; the test's own is none of theirs.
        environment = {**os.environ, "HOME": str(tmp_path)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=DEADLINE, cwd=tmp_path)
        assert done.returncode == 0, done.stderr[-4000:]
        seen: Seen = json.loads(done.stdout.splitlines()[-1])
        return seen

    return run


@pytest.fixture(scope="session")
def runtime() -> Node:
    """A node that is young enough."""
    return node()
