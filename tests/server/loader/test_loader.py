"""Agents by file and by module, and how each mistake is told."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dragoman.agents.errors import ConfigurationError
from dragoman.agents.loader import AgentSource, load_agents

TWO = """
from dragoman.agents import Context, agent

@agent(version="3.0.0")
async def hello(ctx: Context, name: str) -> str:
    "Greets."
    return name

@agent
async def bye(ctx: Context) -> str:
    return "bye"

async def plain(ctx: Context) -> None: ...
number = 3
"""


@pytest.fixture(autouse=True)
def modules(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a test imports is forgotten after it."""
    before = set(sys.modules)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    for name in set(sys.modules) - before:
        del sys.modules[name]


def _source(base: Path, spec: str, name: str | None = None) -> AgentSource:
    return AgentSource(spec, base, "here", is_file=".py" in spec, name=name)


def test_a_file_gives_all_its_agents_in_order(tmp_path: Path) -> None:
    (tmp_path / "desk.py").write_text(TWO)
    agents = load_agents([_source(tmp_path, "desk.py")])
    assert [(agent.name, agent.version, agent.description) for agent in agents] == [
        ("hello", "3.0.0", "Greets."),
        ("bye", "1.0.0", ""),
    ]


@pytest.mark.parametrize("spec", ["desk.py:bye", "desk:bye"])
def test_an_attribute_gives_one_agent(tmp_path: Path, spec: str) -> None:
    (tmp_path / "desk.py").write_text(TWO)
    assert [agent.name for agent in load_agents([_source(tmp_path, spec)])] == ["bye"]


def test_a_file_may_import_its_neighbours_and_is_found_by_them_as_the_same_module(tmp_path: Path) -> None:
    (tmp_path / "prices.py").write_text("import desk_with_prices\nPRICE = 3\n")
    (tmp_path / "desk_with_prices.py").write_text(f"import prices\n{TWO}")
    load_agents([_source(tmp_path, "desk_with_prices.py")])
    assert sys.modules["prices"].desk_with_prices is sys.modules["desk_with_prices"]


def test_a_file_named_like_a_module_of_the_standard_library_is_loaded_and_hides_nothing(tmp_path: Path) -> None:
    (tmp_path / "calendar.py").write_text(TWO)
    import calendar

    assert [agent.name for agent in load_agents([_source(tmp_path, "calendar.py:hello")])] == ["hello"]
    assert sys.modules["calendar"] is calendar


def test_one_file_is_run_once_however_often_it_is_named(tmp_path: Path) -> None:
    (tmp_path / "once.py").write_text(f"{TWO}\nwith open(__file__ + '.ran', 'a') as file:\n    file.write('x')\n")
    load_agents([_source(tmp_path, "once.py:hello"), _source(tmp_path, "once:bye")])
    assert (tmp_path / "once.py.ran").read_text() == "x"


def test_settings_tell_of_an_agent_what_its_code_does_not(tmp_path: Path) -> None:
    (tmp_path / "desk.py").write_text(TWO)
    source = AgentSource(
        "desk.py:hello", tmp_path, "here", True, "front_desk", description="Welcomes.", version="9", timeout=5.0
    )
    (agent,) = load_agents([source])
    assert (agent.name, agent.title, agent.description, agent.version, agent.timeout) == (
        "front_desk",
        "Front desk",
        "Welcomes.",
        "9",
        5.0,
    )
    assert [(skill.id, skill.description) for skill in agent.skills] == [("front_desk", "Welcomes.")]


MISTAKES: list[tuple[dict[str, str], str, str]] = [
    ({}, "gone.py", r"here: no file .*gone\.py\."),
    ({}, "gone:x", r"here: no module named 'gone', looked for in .* and the environment\."),
    ({"a.py": "x = 1"}, "a.py", r"here: no agent in a\.py\. An agent is an async function under @agent;"),
    ({"a.py": TWO}, "a.py:helo", r"here: a\.py:helo: no 'helo' there; did you mean 'hello'\?"),
    ({"a.py": TWO}, "a.py:zzz", r"here: a\.py:zzz: no 'zzz' there; its agents are: hello, bye\."),
    ({"a.py": TWO}, "a.py:plain", r"here: a\.py:plain: 'plain' is an async function without @agent, not an agent\."),
    ({"a.py": TWO}, "a.py:number", r"here: a\.py:number: 'number' is of type int, not an agent\."),
    ({"a.py": "\ndef x(:\n"}, "a.py", r"here: .*a\.py, line 2: syntax error: invalid syntax\."),
    ({"a.py": "import os\n1/0\n"}, "a.py", r"here: .*a\.py, line 2: ZeroDivisionError: division by zero"),
    ({"a.py": "import os\n1/0\n"}, "a:x", r"here: .*a\.py, line 2: ZeroDivisionError: division by zero"),
    (
        {"a.py": "import missing_lib"},
        "a:x",
        r"here: .*a\.py, line 1: ModuleNotFoundError: No module named 'missing_lib'",
    ),
    ({"a.py": "import b", "b.py": "\n\nraise SystemExit(3)"}, "a.py", r"here: .*b\.py, line 3: SystemExit: 3"),
    (
        {"a.py": "from dragoman.agents import agent\n@agent\nasync def f(x: int): ...\n"},
        "a.py",
        r"here: .*a\.py, line 2: TypeError: f: the first parameter of an agent is its Context",
    ),
]


@pytest.mark.parametrize(("files", "spec", "told"), MISTAKES)
def test_a_mistake_is_told_by_place_and_reason(tmp_path: Path, files: dict[str, str], spec: str, told: str) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(ConfigurationError, match=f"^{told}"):
        load_agents([_source(tmp_path, spec)])


def test_a_module_that_failed_is_tried_again_when_it_was_mended(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("1/0")
    with pytest.raises(ConfigurationError):
        load_agents([_source(tmp_path, "a.py")])
    (tmp_path / "a.py").write_text(TWO)
    assert len(load_agents([_source(tmp_path, "a.py")])) == 2


def test_two_agents_of_one_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(TWO)
    (tmp_path / "b.py").write_text(TWO)
    with pytest.raises(ConfigurationError, match=r"^here: a second agent is named 'hello'; the first is from here\.$"):
        load_agents([_source(tmp_path, "a.py"), _source(tmp_path, "b.py")])


def test_a_name_for_a_file_of_several_agents_asks_which_one(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(TWO)
    with pytest.raises(
        ConfigurationError, match=r"^here: a\.py has 2 agents; say which one is 'front', as a\.py:hello\.$"
    ):
        load_agents([_source(tmp_path, "a.py", "front")])


def test_a_name_that_no_protocol_could_carry_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(TWO)
    with pytest.raises(ConfigurationError, match=r"^here: an agent's name has letters, digits, _ and -, 64 at most"):
        load_agents([_source(tmp_path, "a.py:hello", "front desk")])
