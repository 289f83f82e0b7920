"""``[mcp]``: what clients of MCP are told, and which tools they see."""

from __future__ import annotations

from pathlib import Path

import pytest

from dragoman.agents import loader
from dragoman.agents.errors import ConfigurationError
from dragoman.mcp.settings import chosen
from dragoman.settings import load
from dragoman.settings.faces import mcp_catalog, mcp_settings

DESK = """
from dragoman.agents import Context, agent, tool

@agent
async def desk(ctx: Context, text: str) -> str:
    return text

@tool(expose=True)
async def shown(text: str) -> str:
    return text

@tool
async def pay(amount: int) -> str:
    return str(amount)

@tool
async def internal_audit() -> str:
    return "seen"

@tool(name="not for clients")
async def spoken() -> str:
    return "no"
"""


def _loaded(folder: Path, table: str, more: str = "") -> tuple[list[str], list[str]]:
    """The tools of the catalog, and those names of agents and tools that clients see."""
    # A module's name is of the process: each test has its own.
    file = folder / f"desk_{abs(hash(str(folder)))}.py"
    file.write_text(DESK + more)
    (folder / "dragoman.toml").write_text(f'agents = ["{file.name}"]\n{table}')
    settings = load(folder / "dragoman.toml", env={})
    found = loader.load(settings.sources())
    catalog, told = mcp_catalog(settings, found), mcp_settings(settings)
    names = [*(agent.name for agent in found.agents), *catalog.tools]
    return list(catalog.tools), [name for name in names if told.offers(name)]


@pytest.mark.parametrize(
    ("table", "seen"),
    [
        ("", ["desk", "shown"]),
        ('[mcp]\ntools = ["*", "!internal_*", "!not*"]', ["desk", "shown", "pay"]),
        ('[mcp]\ntools = ["pay"]', ["pay"]),
        ('[mcp]\ntools = ["!desk"]', ["shown"]),
        ("[mcp]\ntools = []", []),
    ],
)
def test_globs_choose_agents_exposed_tools_and_the_tools_of_agents(tmp_path: Path, table: str, seen: list[str]) -> None:
    assert _loaded(tmp_path, table)[1] == seen


def test_a_tool_that_clients_could_not_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"\[mcp\] tools: 'not for clients' does not fit"):
        _loaded(tmp_path, '[mcp]\ntools = ["*"]')


def test_a_tool_with_the_name_of_an_agent_is_refused(tmp_path: Path) -> None:
    second = '\n@tool(name="desk")\nasync def second() -> str:\n    return ""\n'
    with pytest.raises(ConfigurationError, match=r"\[mcp\] tools: 'desk' names two things"):
        _loaded(tmp_path, '[mcp]\ntools = ["desk"]', second)


def test_the_keys_of_the_table_reach_the_face(tmp_path: Path) -> None:
    (tmp_path / "dragoman.toml").write_text(
        "[mcp]\ncompanions = false\ncall_wait = 20.5\ninline_wait = 1.0\nelicit_wait = 300.0\npage_size = 7\n"
        'poll_interval_ms = 250\nlist_ttl_ms = 0\nname = "desk"\ntitle = "The desk"\ninstructions = "Ask."\n'
    )
    told = mcp_settings(load(tmp_path / "dragoman.toml", env={}))
    assert (told.companions, told.call_wait, told.inline_wait, told.elicit_wait) == (False, 20.5, 1.0, 300.0)
    assert (told.page_size, told.poll_interval_ms, told.list_ttl_ms) == (7, 250, 0)
    assert (told.name, told.title, told.instructions, told.tools) == ("desk", "The desk", "Ask.", None)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[mcp]\npage_sise = 5", "[mcp] page_sise: unknown key; did you mean page_size?"),
        ("[mcp]\npage_size = 0", "[mcp] page_size: input should be greater than or equal to 1"),
        ("[mcp]\ncall_wait = -1.0", "[mcp] call_wait: input should be greater than 0"),
        ("[mcp]\ntools = [5]", "[mcp] tools 0: input should be a valid string"),
    ],
)
def test_a_mistake_in_the_table_is_told_by_its_key(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "dragoman.toml").write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path / "dragoman.toml", env={})
    assert told in caught.value.message


def test_a_list_of_tools_in_the_environment_is_split_at_commas(tmp_path: Path) -> None:
    (tmp_path / "dragoman.toml").write_text("")
    found = load(tmp_path / "dragoman.toml", env={"DRAGOMAN_MCP__TOOLS": "pay*, !pay_back"})
    assert found.mcp.tools == ("pay*", "!pay_back")


@pytest.mark.parametrize(
    ("name", "globs", "fits"),
    [("pay", ["p*"], True), ("Pay", ["p*"], False), ("pay", ["p*", "!pay"], False), ("x", ["!pay"], True)],
)
def test_a_glob_is_held_against_the_whole_name(name: str, globs: list[str], fits: bool) -> None:
    assert chosen(name, globs) is fits
