"""A bundle as hosts take it: the npm package's own validation and substitution, and uv to bring what is needed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

if TYPE_CHECKING:
    from .conftest import Run

MCPB = "@anthropic-ai/mcpb@2.1.2"
ROOT = Path(__file__).parents[3]
# What a host does between unpacking and starting, by the package's own function.
HOST = """
import { readFileSync } from "fs";
import { getMcpConfigForManifest } from "@anthropic-ai/mcpb";
const [place, userConfig] = process.argv.slice(2);
const manifest = JSON.parse(readFileSync(`${place}/manifest.json`));
const systemDirs = { HOME: process.env.HOME };
const options = { manifest, extensionPath: place, systemDirs, userConfig: JSON.parse(userConfig), pathSeparator: "/" };
console.log(JSON.stringify(await getMcpConfigForManifest(options)));
"""


def _done(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def npm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the npm package."""
    place = tmp_path_factory.mktemp("npm")
    program = shutil.which("npm")
    assert program is not None, "npm is needed"
    _done(program, "install", "--no-audit", "--no-fund", "--silent", MCPB, cwd=place)
    (place / "host.mjs").write_text(HOST)
    return place


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with this checkout as a wheel: what uv would fetch of a release."""
    place = tmp_path_factory.mktemp("wheels")
    _done(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", place, cwd=ROOT)
    return place


@pytest.mark.interop
@pytest.mark.anyio
@pytest.mark.timeout(300)
async def test_a_host_validates_unpacks_installs_and_calls(run: Run, npm: Path, wheels: Path, tmp_path: Path) -> None:
    with (tmp_path / "agents.py").open("a") as agents:
        agents.write(
            '\n@agent\nasync def secret(ctx: Context) -> str:\n    import os\n    return os.environ["DESK_KEY"]\n'
        )
    assert run("bundle", "--name", "Refund desk", "--env", "DESK_KEY", "--out", "desk.mcpb").returncode == 0
    mcpb = npm / "node_modules/.bin/mcpb"
    place = tmp_path / "elsewhere" / "desk"
    _done(mcpb, "unpack", tmp_path / "desk.mcpb", place, cwd=npm)
    assert "validation passes" in _done(mcpb, "validate", place, cwd=npm)
    assert "desk.mcpb" in _done(mcpb, "info", tmp_path / "desk.mcpb", cwd=npm)
    chosen = {"desk_key": "k-1", "ledger_folder": str(tmp_path / "runs")}
    config: Any = json.loads(_done("node", "host.mjs", place, json.dumps(chosen), cwd=npm))
    uv = Path(sys.executable).with_name("uv")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DRAGOMAN_", "VIRTUAL_ENV"))}
    env = {**kept, "PATH": f"{uv.parent}{os.pathsep}{kept['PATH']}", "UV_FIND_LINKS": str(wheels), **config["env"]}
    started = StdioServerParameters(command=config["command"], args=config["args"], env=env, cwd=tmp_path)
    with anyio.fail_after(240):
        async with Client(stdio_client(started), read_timeout_seconds=240) as client:
            listed = [tool.name for tool in (await client.list_tools()).tools]
            called = await client.call_tool("greeter", {"name": "Ada"})
            told = await client.call_tool("secret", {})
    assert listed == [tool["name"] for tool in json.loads((place / "manifest.json").read_text())["tools"]]
    assert called.structured_content == {"result": "Hello, Ada!"}
    assert told.structured_content == {"result": "k-1"}
    assert (tmp_path / "runs" / "ledger.db").is_file()
