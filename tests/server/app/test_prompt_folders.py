"""Prompts and skills beside the settings file, as the application serves them while it runs."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from dragoman.agents import Catalog, Context, agent
from dragoman.agents.errors import ConfigurationError
from dragoman.app import build_app
from dragoman.settings import load

pytestmark = pytest.mark.anyio

META: dict[str, Any] = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
}


@agent
async def greeter(ctx: Context, name: str) -> str:
    """Greets."""
    return f"Hello, {name}!"


def _project(folder: Path, settings: str = "") -> Path:
    (folder / "dragoman.toml").write_text(f'agents = ["unused.py"]\n{settings}')
    (folder / "prompts").mkdir()
    (folder / "prompts" / "hello.md").write_text(
        "---\ndescription: Greets\narguments: [{name: who}]\n---\nHi {{who}}.\n"
    )
    (folder / "skills" / "forms").mkdir(parents=True)
    (folder / "skills" / "forms" / "SKILL.md").write_text("---\nname: forms\ndescription: Forms.\n---\nFill them.\n")
    return folder / "dragoman.toml"


async def _ask(client: httpx.AsyncClient, method: str, params: dict[str, Any] | None = None) -> Any:
    named = (params or {}).get("name") or (params or {}).get("uri")
    headers = {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": method, **({"Mcp-Name": named} if named else {})}
    message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**(params or {}), "_meta": META}}
    return (await client.post("/mcp", json=message, headers=headers)).json()["result"]


async def test_prompts_and_skills_are_served_and_followed_as_they_change(tmp_path: Path) -> None:
    app = build_app(load(_project(tmp_path), env={}), [greeter], catalog=(catalog := Catalog()))
    came = asyncio.Event()
    catalog.listen(lambda kind: came.set() if "later" in catalog.prompts else None)
    transport = httpx.ASGITransport(app)
    async with (
        asyncio.timeout(20),
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://localhost") as client,
    ):
        first = [p["name"] for p in (await _ask(client, "prompts/list"))["prompts"]]
        made = await _ask(client, "prompts/get", {"name": "hello", "arguments": {"who": "Ada"}})
        page = await _ask(client, "resources/read", {"uri": "dragoman://skills/forms/SKILL.md"})
        (tmp_path / "prompts" / "later.md").write_text("---\ndescription: Later\n---\nLater.\n")
        await came.wait()
        then = [p["name"] for p in (await _ask(client, "prompts/list"))["prompts"]]
    assert first == ["hello", "forms"]
    assert made["messages"][0]["content"]["text"] == "Hi Ada."
    assert page["contents"][0]["text"].endswith("Fill them.\n")
    assert page["contents"][0]["mimeType"] == "text/markdown"
    assert then == ["hello", "forms", "later"]


@pytest.mark.parametrize(
    ("settings", "there"),
    [
        ("", ["hello", "forms"]),
        ('[mcp]\nprompts = ""', ["forms"]),
        ('[mcp]\nskills = ""\nprompts = "skills"', []),
        ('[mcp]\nprompts = "prompts"\nskills = "skills"', ["hello", "forms"]),
    ],
)
async def test_the_settings_name_the_folders_or_none(tmp_path: Path, settings: str, there: list[str]) -> None:
    catalog = Catalog()
    build_app(load(_project(tmp_path, settings), env={}), [greeter], catalog=catalog)
    assert list(catalog.prompts) == there


async def test_a_folder_that_is_named_must_be_there_and_a_file_in_it_a_prompt(tmp_path: Path) -> None:
    file = _project(tmp_path, '[mcp]\nprompts = "gone"')
    with pytest.raises(ConfigurationError, match=r"dragoman\.toml: \[mcp\] prompts: no folder .*gone"):
        build_app(load(file, env={}), [greeter])
    file.write_text('agents = ["unused.py"]')
    (tmp_path / "prompts" / "bad.md").write_text("no front matter")
    with pytest.raises(ConfigurationError, match=r"bad\.md: no front matter"):
        build_app(load(file, env={}), [greeter])


async def test_without_a_settings_file_no_folder_is_looked_into(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _project(tmp_path)
    monkeypatch.chdir(tmp_path)
    catalog = Catalog()
    build_app(load(None, env={}), [greeter], catalog=catalog)
    assert list(catalog.prompts) == []
    build_app(load(None, env={"DRAGOMAN_MCP__PROMPTS": "prompts"}), [greeter], catalog=catalog)
    assert list(catalog.prompts) == ["hello"]
