"""``dragoman server-json``: what the MCP registry is told, and that its schema takes it."""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

if TYPE_CHECKING:
    from .conftest import Run

URL = "https://agents.example"
NAME = "io.github.ada/desk"
DOWNLOAD = "https://github.com/ada/desk/releases/download/v1.0.0/desk.mcpb"
SPECS = Path(os.environ.get("DRAGOMAN_SPECS") or Path(__file__).parents[4] / "shared" / "specs")
SCHEMA = SPECS / "mcp-registry-server-2025-12-11.schema.json"


def _made(run: Run, *arguments: str | Path) -> Any:
    done = run("server-json", "--name", NAME, *arguments)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def both(run: Run, folder: Path) -> Any:
    """A server that runs, asks for keys, and is there as a bundle as well."""
    (folder / "dragoman.toml").write_text(
        f'agents = ["agents.py"]\n[auth]\nmode = "keys"\n[server]\npublic_url = "{URL}/"\n'
    )
    (folder / "pyproject.toml").write_text(
        '[project]\nname = "desk"\nversion = "1.2.3"\ndescription = "Greets and buys."\n'
        '[project.urls]\nHomepage = "https://shop.example"\nSource = "https://github.com/ada/desk"\n'
    )
    assert run("bundle").returncode == 0
    return _made(run, "--bundle", "desk.mcpb", "--bundle-url", DOWNLOAD)


def test_the_published_schema_takes_it(both: Any, run: Run) -> None:
    if not SCHEMA.is_file():
        pytest.skip(f"the published schemas are not beside this repository (../shared/specs): no {SCHEMA.name}")
    schema = json.loads(SCHEMA.read_text())
    assert both["$schema"] == schema["$id"]
    for made in (both, _made(run, "--url", "https://other.example/desk")):
        jsonschema.validate(made, schema, jsonschema.Draft7Validator, format_checker=jsonschema.FormatChecker())


def test_it_keeps_the_bounds_of_the_registry(both: Any) -> None:
    """The schema's own bounds on what we write, for a checkout without the schema."""
    assert set(both) <= {
        *("$schema", "name", "title", "description", "version", "websiteUrl", "repository", "packages", "remotes")
    }
    assert re.fullmatch(r"[a-zA-Z0-9.-]+/[a-zA-Z0-9._-]+", both["name"])
    assert 3 <= len(both["name"]) <= 200
    assert 1 <= len(both["title"]) <= 100
    assert 1 <= len(both["description"]) <= 100
    assert set(both["repository"]) == {"url", "source"}
    (package,) = both["packages"]
    assert {"registryType", "identifier", "transport"} <= set(package)
    assert re.fullmatch(r"[a-f0-9]{64}", package["fileSha256"])
    assert [remote["type"] for remote in both["remotes"]] == ["streamable-http"]


def test_a_bundle_is_told_of_with_its_hash_and_its_place(both: Any, folder: Path) -> None:
    (package,) = both["packages"]
    assert package["fileSha256"] == hashlib.sha256((folder / "desk.mcpb").read_bytes()).hexdigest()
    assert package["identifier"] == DOWNLOAD
    assert (package["registryType"], package["transport"]) == ("mcpb", {"type": "stdio"})
    assert package["version"] == both["version"] == "1.2.3"
    assert both["description"] == "Greets and buys."
    assert (both["websiteUrl"], both["repository"]["source"]) == ("https://shop.example", "github")


def test_a_server_that_asks_for_keys_says_which_header_has_it(both: Any) -> None:
    (remote,) = both["remotes"]
    assert remote["url"] == f"{URL}/mcp"
    (header,) = remote["headers"]
    assert (header["name"], header["value"]) == ("Authorization", "Bearer {api_key}")
    assert header["isSecret"] is header["variables"]["api_key"]["isSecret"] is True


def test_a_server_without_keys_asks_for_none_and_a_file_is_written(run: Run, folder: Path) -> None:
    done = run("server-json", "--name", NAME, "--url", f"{URL}/mcp", "--out", "server.json")
    assert done.stdout == "server.json\n"
    made = json.loads((folder / "server.json").read_text())
    assert made["remotes"] == [{"type": "streamable-http", "url": f"{URL}/mcp"}]
    assert "packages" not in made
    assert made["description"].startswith("Tools: greeter, buyer")


def test_a_long_description_is_cut_at_a_word_unless_it_was_typed(run: Run, folder: Path) -> None:
    words = "word " * 40
    with (folder / "agents.py").open("w") as agents:
        agents.write(f"from dragoman.agents import Context, agent\n@agent(description={words!r})\n")
        agents.write("async def talker(ctx: Context) -> str:\n    return ''\n")
    told = _made(run, "--url", URL)["description"]
    assert len(told) <= 100
    assert told.endswith("word…")
    refused = run("server-json", "--name", NAME, "--url", URL, "--description", words)
    assert refused.returncode == 2
    assert "200 characters" in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--name", "desk", "--url", URL), "a namespace, / and a name"),
        (("--name", NAME), "Say where the server is"),
        (("--name", NAME, "--url", "http://localhost:8000"), "this machine's own"),
        (("--name", NAME, "--url", "ftp://agents.example"), "http or https"),
        (("--name", NAME, "--bundle", "dragoman.toml"), "go together"),
        (("--name", NAME, "--bundle", "dragoman.toml", "--bundle-url", DOWNLOAD), "is not a bundle"),
        (("--name", NAME, "--bundle", "x.mcpb", "--bundle-url", "http://shop.example/x.mcpb"), "an https address"),
        (("--name", NAME, "--url", URL, "--version", "^1.2.3"), "not one version"),
    ],
)
def test_what_the_registry_would_refuse_is_refused_here(run: Run, arguments: tuple[str, ...], told: str) -> None:
    done = run("server-json", *arguments)
    assert done.returncode == 2
    assert told in done.stderr
    assert done.stdout == ""
