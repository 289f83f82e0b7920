"""``dragoman bundle``: what is in the file, that it starts, and what never gets into it."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import sys
import tomllib
import zipfile
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

if TYPE_CHECKING:
    from .conftest import Run

AGENT = 'from dragoman.agents import Context, agent\n@agent\nasync def {0}(ctx: Context) -> str:\n    return "{0}"\n'
MARKS = [
    *(".env", ".git/config", ".venv/lib/a.py", ".dragoman/ledger.db", ".ssh/id", "prod.env", "deploy.pem", "tls.key"),
    *("id_ed25519", "secrets.toml", "__pycache__/a.pyc", "node_modules/a.js", "runs.db", "runs.db-wal", "old.mcpb"),
    *("env/pyvenv.cfg", "env/lib/b.py", "cache/CACHEDIR.TAG", "cache/c", "my.log"),
]


def _unpacked(file: Path, place: Path) -> Path:
    with zipfile.ZipFile(file) as archive:
        archive.extractall(place)
    return place


def _manifest(file: Path) -> Any:
    with zipfile.ZipFile(file) as archive:
        return json.loads(archive.read("manifest.json"))


def _names(file: Path) -> set[str]:
    with zipfile.ZipFile(file) as archive:
        return {name.removeprefix("agents/") for name in archive.namelist() if name.startswith("agents/")}


def _write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def _started(place: Path, chosen: str) -> StdioServerParameters:
    """As a host that has put in what its user chose; this Python stands for the one that uv brings."""
    config = _manifest_of(place)["server"]["mcp_config"]
    filled = [text.replace("${__dirname}", str(place)) for text in config["args"]]
    assert (config["command"], filled[:3]) == ("uv", ["run", "--directory", str(place)])
    env = {name: text.replace("${user_config.ledger_folder}", chosen) for name, text in config["env"].items()}
    state = {"XDG_STATE_HOME": str(place.parent / "state"), "PATH": os.environ["PATH"]}
    return StdioServerParameters(command=sys.executable, args=filled[3:], env={**state, **env}, cwd=place)


def _manifest_of(place: Path) -> Any:
    return json.loads((place / "manifest.json").read_text())


@pytest.mark.anyio
async def test_an_unpacked_bundle_lists_what_its_manifest_says_and_is_called(run: Run, tmp_path: Path) -> None:
    assert run("bundle", "--out", "desk.mcpb").returncode == 0
    place = _unpacked(tmp_path / "desk.mcpb", tmp_path / "elsewhere" / "desk")
    with anyio.fail_after(60):
        async with Client(stdio_client(_started(place, str(tmp_path / "chosen")))) as client:
            listed = [{"name": t.name, "description": t.description or ""} for t in (await client.list_tools()).tools]
            called = await client.call_tool("greeter", {"name": "Ada"})
    assert listed == _manifest_of(place)["tools"]
    assert called.structured_content == {"result": "Hello, Ada!"}
    assert (tmp_path / "chosen" / "ledger.db").is_file()


@pytest.mark.anyio
async def test_two_starts_at_once_each_have_a_ledger_and_none_lies_in_the_bundle(run: Run, tmp_path: Path) -> None:
    (tmp_path / "dragoman.toml").write_text('agents = ["agents.py"]\n[storage]\npath = "data/ledger.db"\n')
    assert run("bundle", "--name", "desk").returncode == 0
    place = _unpacked(tmp_path / "desk.mcpb", tmp_path / "elsewhere" / "desk")
    before = sorted(path for path in place.rglob("*") if "__pycache__" not in path.parts)
    with anyio.fail_after(60):
        # The user chose nothing, and the host leaves the placeholder where the choice would be.
        started = _started(place, "${user_config.ledger_folder}")
        async with Client(stdio_client(started)) as first, Client(stdio_client(started)) as second:
            for client in (first, second):
                assert (await client.call_tool("greeter", {"name": "Ada"})).is_error is False
    ledgers = {path.name for path in (place.parent / "state/dragoman/bundles/desk").glob("*.db")}
    assert ledgers == {"ledger.db", "ledger-2.db"}
    assert sorted(path for path in place.rglob("*") if "__pycache__" not in path.parts) == before


def test_the_same_files_make_the_same_bytes(run: Run, folder: Path, tmp_path: Path) -> None:
    (folder / "tool.sh").write_text("#!/bin/sh\n")
    (folder / "tool.sh").chmod(0o755)
    first = run("bundle", "--out", "one.mcpb")
    copy = tmp_path / "again"
    copy.mkdir()
    for name in ("tool.sh", "dragoman.toml", "agents.py"):  # in another order, at another time
        (copy / name).write_bytes((folder / name).read_bytes())
        os.utime(copy / name, (1_000_000_000, 1_000_000_000))
    (copy / "tool.sh").chmod(0o700)
    assert run("bundle", copy, "--name", tmp_path.name, "--out", tmp_path / "two.mcpb").returncode == 0
    one, two = (folder / "one.mcpb").read_bytes(), (tmp_path / "two.mcpb").read_bytes()
    assert one == two
    assert hashlib.sha256(one).hexdigest() in first.stdout
    with zipfile.ZipFile(folder / "one.mcpb") as archive:
        modes = {info.filename: stat.S_IMODE(info.external_attr >> 16) for info in archive.infolist()}
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    assert (modes["agents/tool.sh"], modes["agents/agents.py"]) == (0o755, 0o644)


def test_secrets_environments_caches_and_ledgers_stay_out(run: Run, folder: Path) -> None:
    _write(folder, dict.fromkeys(MARKS, ""))
    (folder / "pem_in_a.txt").write_text("-----BEGIN EC PRIVATE KEY-----\nMHc\n")
    (folder / "link.txt").symlink_to("/etc/hostname")
    _write(folder, {"prompts/hello.md": "Hi", "runs/a.sqlite": "", "runs/a.sqlite-wal": "", "runs/a.txt": ""})
    (folder / "dragoman.toml").write_text('agents = ["agents.py"]\n[storage]\npath = "runs/a.sqlite"\n')
    done = run("bundle", "--out", "desk.mcpb")
    assert _names(folder / "desk.mcpb") == {"agents.py", "dragoman.toml", "prompts/hello.md", "runs/a.txt"}
    for name in ("deploy.pem", "tls.key", "id_ed25519", "secrets.toml", "prod.env", "pem_in_a.txt", "link.txt"):
        assert f"{name} stays out" in done.stderr


def test_what_mcpbignore_names_stays_out(run: Run, folder: Path) -> None:
    _write(folder, {"data/big.csv": "", "data/small.csv": "", "deep/data/big.csv": "", "notes/a.md": "", "b.tmp": ""})
    (folder / ".mcpbignore").write_text("# large\n/data/big.csv\nnotes/\n*.tmp\n")
    run("bundle", "--out", "desk.mcpb")
    kept = {"agents.py", "dragoman.toml", "data/small.csv", "deep/data/big.csv"}
    assert _names(folder / "desk.mcpb") == kept
    (folder / ".mcpbignore").write_text("*\n!agents.py\n")
    refused = run("bundle")
    assert refused.returncode == 2
    assert "!agents.py" in refused.stderr


def test_a_bare_file_takes_along_what_it_imports_and_no_more(run: Run, folder: Path) -> None:
    _write(folder, {"desk.py": "import helper\nimport pack.part\n" + AGENT.format("desk")})
    _write(folder, {"helper.py": "", "other.py": "", "tax.pdf": "", "pack/__init__.py": "", "pack/part.py": ""})
    _write(folder, {"pack/rates.json": "{}"})
    assert run("bundle", folder / "desk.py:desk", cwd=folder.parent).returncode == 0
    names = {"desk.py", "helper.py", "pack/__init__.py", "pack/part.py", "pack/rates.json", "dragoman.toml"}
    assert _names(folder.parent / "desk.mcpb") == names
    with zipfile.ZipFile(folder.parent / "desk.mcpb") as archive:
        assert tomllib.loads(archive.read("agents/dragoman.toml").decode()) == {"agents": ["desk.py:desk"]}


def test_what_pyproject_says_is_told_and_installed(run: Run, folder: Path) -> None:
    (folder / "pyproject.toml").write_text(
        '[project]\nname = "Refund_Desk"\nversion = "2.1.0"\ndescription = "Refunds orders."\nlicense = "MIT"\n'
        'requires-python = ">=3.12"\ndependencies = ["stripe>=5; python_version >= \\"3.12\\"", "dragoman[otel]"]\n'
        'authors = [{ name = "Ada", email = "ada@shop.example" }]\nkeywords = ["refunds"]\n'
        '[project.urls]\nHomepage = "https://shop.example"\nRepository = "https://github.com/shop/desk"\n'
        '[tool.uv.sources]\nstripe = { path = "../stripe" }\n'
    )
    done = run("bundle", "--with", "orjson")
    told = _manifest(folder / "refund-desk.mcpb")
    assert (told["name"], told["display_name"], told["version"]) == ("refund-desk", "Refund_Desk", "2.1.0")
    assert told["author"] == {"name": "Ada", "email": "ada@shop.example"}
    assert told["repository"] == {"type": "git", "url": "https://github.com/shop/desk"}
    assert (told["homepage"], told["license"], told["keywords"]) == ("https://shop.example", "MIT", ["refunds"])
    with zipfile.ZipFile(folder / "refund-desk.mcpb") as archive:
        pyproject = tomllib.loads(archive.read("pyproject.toml").decode())
    own = f"dragoman=={version('dragoman')}"
    needed = [own, 'stripe>=5; python_version >= "3.12"', "dragoman[otel]", "orjson"]
    assert pyproject["project"]["dependencies"] == needed
    assert pyproject["project"]["requires-python"] == ">=3.11,>=3.12"
    assert pyproject["tool"]["uv"]["package"] is False
    assert "[tool.uv.sources]" in done.stderr


def test_a_secret_of_the_agents_is_asked_for_by_the_host(run: Run, folder: Path) -> None:
    assert run("bundle", "--env", "STRIPE_KEY", "--out", "desk.mcpb").returncode == 0
    told = _manifest(folder / "desk.mcpb")
    assert told["server"]["mcp_config"]["env"]["STRIPE_KEY"] == "${user_config.stripe_key}"
    asked = told["user_config"]["stripe_key"]
    assert (asked["sensitive"], asked["required"], asked["title"]) == (True, True, "STRIPE_KEY")


def test_exposed_tools_are_listed_and_prompts_announced(run: Run, folder: Path) -> None:
    with (folder / "agents.py").open("a") as agents:
        agents.write(
            "from dragoman.agents.prompt import prompt\nfrom dragoman.agents import tool\n"
            '@tool(expose=True, description="Adds.")\nasync def add(a: int, b: int) -> int:\n    return a + b\n'
            "@tool\nasync def hidden() -> None: ...\n"
            '@prompt\nasync def hello(name: str) -> str:\n    """Says hello."""\n    return name\n'
        )
    assert run("bundle", "--out", "desk.mcpb").returncode == 0
    told = _manifest(folder / "desk.mcpb")
    assert {"name": "add", "description": "Adds."} in told["tools"]
    assert "hidden" not in [tool["name"] for tool in told["tools"]]
    assert told["prompts_generated"] is True


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--version", ">=1"), "not one version"),
        (("--name", "!!!"), "no letters or digits"),
        (("--env", "not a name"), "not the name of an environment variable"),
        (("--env", "DRAGOMAN_KEY"), "not the name of an environment variable"),
        (("nothing.toml",), "nothing.toml: cannot be read"),
    ],
)
def test_what_makes_no_sense_is_one_line_and_no_file(
    run: Run, folder: Path, arguments: tuple[str, ...], told: str
) -> None:
    done = run("bundle", *arguments)
    assert done.returncode == 2
    assert told in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert list(folder.glob("*.mcpb")) == []


def test_agents_whose_code_would_be_missing_are_refused(run: Run, tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    _write(tmp_path, {"shared.py": AGENT.format("shared"), "inside/build/gen.py": AGENT.format("gen")})
    for spec in ("../shared.py", "build/gen.py"):
        _write(inside, {"dragoman.toml": f'agents = ["{spec}"]\n'})
        done = run("bundle", cwd=inside)
        assert done.returncode == 2
        assert f"{spec} is not among the files" in done.stderr


def test_agents_of_an_installed_package_need_it_named(run: Run, folder: Path, tmp_path: Path) -> None:
    info = "site/desk_agents-1.0.dist-info"
    _write(tmp_path, {"site/desks/refunds.py": AGENT.format("refunds"), f"{info}/top_level.txt": "desks\n"})
    _write(tmp_path, {f"{info}/METADATA": "Metadata-Version: 2.1\nName: desk-agents\nVersion: 1.0\n"})
    away = folder / "empty"
    _write(away, {"dragoman.toml": 'agents = ["desks.refunds"]\n'})
    site = {"PYTHONPATH": str(tmp_path / "site")}
    refused = run("bundle", "empty", "--out", "desk.mcpb", **site)
    assert refused.returncode == 2
    assert "(--with desk-agents)" in refused.stderr
    assert run("bundle", "empty", "--out", "desk.mcpb", "--with", "Desk_Agents>=1", **site).returncode == 0
    assert _names(folder / "desk.mcpb") == {"dragoman.toml"}
