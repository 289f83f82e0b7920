"""What a settings file, the environment and the command line make together, and how each mistake is told."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from dragoman.agents.errors import ConfigurationError
from dragoman.engine.cron_settings import CronSettings
from dragoman.engine.request import EngineSettings
from dragoman.settings import Settings, find, is_loopback, load


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that the process is in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _written(folder: Path, text: str) -> Path:
    file = folder / "dragoman.toml"
    file.write_text(text, "utf-8")
    return file


MISTAKES = [
    ('[server]\nport = "x"', "dragoman.toml: [server] port: input should be a valid integer, not 'x'."),
    ("[server]\nport = true", "dragoman.toml: [server] port: input should be a valid integer, not True."),
    (
        "[server]\nport = 70000",
        "dragoman.toml: [server] port: input should be less than or equal to 65535, not 70000.",
    ),
    ("[server]\nprot = 1", "dragoman.toml: [server] prot: unknown key; did you mean port?"),
    ("[sever]\nport = 1", "dragoman.toml: [sever]: unknown table; did you mean server?"),
    ("port = 1", "dragoman.toml: [port]: this key belongs under [server]."),
    ("[server", "dragoman.toml: not TOML: Expected ']' at the end of a table declaration"),
    ('[server]\nhost = ""', "dragoman.toml: [server] host: string should have at least 1 character, not ''."),
    ('[server]\npublic_url = "ftp://x"', "dragoman.toml: [server] public_url: must be an http or https address"),
    ("[engine]\ngrace = -1", "dragoman.toml: [engine] grace: input should be greater than or equal to 0, not -1."),
    ("[engine]\nconcurrency = 0", "dragoman.toml: [engine] concurrency: input should be greater than or equal to 1"),
    ("[engine]\nlease = nan", "dragoman.toml: [engine] lease: "),
    ('[auth]\nmode = "key"', "dragoman.toml: [auth] mode: input should be 'off' or 'keys', not 'key'."),
    ('[log]\nlevel = "loud"', "dragoman.toml: [log] level: input should be 'debug', 'info', 'warning' or 'error'"),
    ("agents = 3", "dragoman.toml: agents: a table of name"),
    ("agents = [3]", 'dragoman.toml: [agents] 1: "module:attribute", "file.py" or a table is expected.'),
    (
        '[agents.hi]\nimport = "a:hi"\nversoin = "2"',
        "dragoman.toml: [agents] hi versoin: unknown key; did you mean version?",
    ),
    (
        '[[agents]]\nimport = "a:hi"\ntimeout = "soon"',
        "dragoman.toml: [agents] 1 timeout: input should be a valid number",
    ),
    (
        'base = "x"',
        "dragoman.toml: base: unknown table; known are server, storage, engine, crons, auth, sealing, blobs,",
    ),
    ('file = "x"', "dragoman.toml: file: this key belongs under [sealing]."),
]


@pytest.mark.parametrize(("text", "told"), MISTAKES)
def test_a_mistake_in_the_file_is_told_by_file_key_and_reason(folder: Path, text: str, told: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(_written(folder, text), env={})
    assert caught.value.message.startswith(told)


def test_a_file_that_is_not_there_is_named(folder: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"^dragoman\.toml: cannot be read: No such file or directory\.$"):
        load(folder / "dragoman.toml", env={})


ENVIRONMENT_MISTAKES = [
    (
        {"DRAGOMAN_SERVER__PORT": "99999"},
        "DRAGOMAN_SERVER__PORT: input should be less than or equal to 65535, not 99999.",
    ),
    ({"DRAGOMAN_SERVER__PROT": "1"}, "DRAGOMAN_SERVER__PROT: unknown key; did you mean port?"),
    ({"DRAGOMAN_SEVER__PORT": "1"}, "DRAGOMAN_SEVER: unknown table; did you mean server?"),
    ({"DRAGOMAN_AGENTS__HI": "a:hi"}, "DRAGOMAN_AGENTS__HI: agents are named in dragoman.toml"),
]


@pytest.mark.parametrize(("env", "told"), ENVIRONMENT_MISTAKES)
def test_a_mistake_in_the_environment_is_told_by_its_variable(folder: Path, env: dict[str, str], told: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(_written(folder, "[server]\nport = 8001"), env=env)
    assert caught.value.message.startswith(told)


FLAG_MISTAKES: list[tuple[dict[str, dict[str, Any]], str]] = [
    ({"server": {"port": -1}}, "--port: input should be greater than or equal to 0, not -1."),
    ({"server": {"public_url": "x"}}, "--public-url: must be an http or https address"),
    ({"auth": {"mode": "none"}}, "--auth: input should be 'off' or 'keys', not 'none'."),
]


@pytest.mark.parametrize(("flags", "told"), FLAG_MISTAKES)
def test_a_mistake_on_the_command_line_is_told_by_its_flag(
    folder: Path, flags: dict[str, dict[str, Any]], told: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(flags=flags, env={})
    assert caught.value.message.startswith(told)


def test_the_command_line_wins_over_the_environment_and_that_over_the_file(folder: Path) -> None:
    file = _written(folder, '[server]\nhost = "127.0.0.2"\nport = 1\npublic_url = "https://a.example/"')
    env = {"DRAGOMAN_SERVER__PORT": "2", "DRAGOMAN_SERVER__HOST": "127.0.0.3"}
    settings = load(file, {"server": {"port": 3, "host": None}}, env)
    assert (settings.server.port, settings.server.host) == (3, "127.0.0.3")
    assert settings.server.url == "https://a.example"


def test_variables_that_a_cluster_injects_for_a_service_of_this_name_are_let_be(folder: Path) -> None:
    env = {"DRAGOMAN_PORT": "tcp://10.0.0.1:80", "DRAGOMAN_SERVER_PORT": "tcp://10.0.0.1:80", "DRAGOMAN_DEBUG": "1"}
    assert load(env=env).server.port == 8000


def test_a_list_in_the_environment_is_split_at_commas(folder: Path) -> None:
    env = {"DRAGOMAN_SERVER__ALLOWED_HOSTS": "a.example, b.example"}
    assert load(env=env).server.allowed_hosts == ("a.example", "b.example")


def test_relative_paths_start_at_the_file_and_typed_ones_where_they_were_typed(folder: Path) -> None:
    home = folder / "project"
    home.mkdir()
    file = _written(home, '[storage]\npath = "data/l.db"')
    assert load(file, env={}).storage_path == home / "data" / "l.db"
    assert load(file, {"storage": {"path": Path("l.db")}}, {}).storage_path == folder / "l.db"
    assert load(file, env={"DRAGOMAN_STORAGE__PATH": "e.db"}).storage_path == folder / "e.db"


def test_the_engine_gets_its_own_defaults_unless_told_otherwise(folder: Path) -> None:
    assert asdict(load(env={}).engine.to_engine()) == asdict(EngineSettings())
    assert load(env={}).crons.to_engine() == CronSettings()
    assert load(_written(folder, '[crons]\nmisfire = "all"'), env={}).crons.to_engine().misfire == "all"
    assert load(_written(folder, "[engine]\nlease = 5"), env={}).engine.to_engine().lease == 5


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('[agents]\nhi = "pkg.a:hi"', [("hi", "pkg.a:hi", False)]),
        ('[agents]\nhi = "a.py:hi"', [("hi", "a.py:hi", True)]),
        ('agents = ["a.py", "b:c"]', [(None, "a.py", True), (None, "b:c", False)]),
        ('[agents.hi]\nimport = "a:hi"', [("hi", "a:hi", False)]),
        ('[[agents]]\nname = "hi"\npath = "sub/a.py"', [("hi", "sub/a.py", True)]),
    ],
)
def test_agents_are_named_in_a_table_or_in_a_list(
    folder: Path, text: str, found: list[tuple[str | None, str, bool]]
) -> None:
    sources = load(_written(folder, text), env={}).sources()
    assert [(source.name, source.spec, source.is_file) for source in sources] == found


@pytest.mark.parametrize("entry", ['name = "hi"', 'name = "hi"\nimport = "a:b"\npath = "a.py"'])
def test_an_agent_is_in_one_place(folder: Path, entry: str) -> None:
    settings = load(_written(folder, f"[[agents]]\n{entry}"), env={})
    with pytest.raises(ConfigurationError, match=r"^dragoman\.toml: \[agents\] hi: say where the agent is"):
        settings.sources()


def test_what_is_served_is_found_by_file_folder_python_file_or_module(folder: Path) -> None:
    file = _written(folder, "[server]\nport = 8001")
    for target in (str(file), str(folder), None):
        assert find(target, env={}).server.port == 8001
    assert find(None, env={"DRAGOMAN_CONFIG": str(file)}).file == file
    assert [s.spec for s in find("agents.py:hi", env={}).sources()] == ["agents.py:hi"]
    assert find("agents.py", env={}).server.port == 8000
    assert [s.is_file for s in find("package.module:hi", env={}).sources()] == [False]


def test_what_cannot_be_served_is_told_with_the_way_out(folder: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"No dragoman\.toml here: .*dragoman init"):
        find(None, env={})
    assert find(None, env={}, needs_agents=False).agents == ()
    with pytest.raises(ConfigurationError, match=r"^agents\.txt!: not a \.toml file"):
        find("agents.txt!", env={})


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "[::1]", "127.1.2.3", "LOCALHOST"])
def test_this_machine_is_served_without_keys(host: str) -> None:
    assert is_loopback(host)
    Settings.model_validate({"server": {"host": host}}).check_exposure()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.5", "localhost.evil.example", "127.0.0.1.evil.example"])
def test_other_machines_are_served_with_keys_only(host: str) -> None:
    with pytest.raises(ConfigurationError, match=r"dragoman keys create.*--auth keys"):
        Settings.model_validate({"server": {"host": host}}).check_exposure()
    Settings.model_validate({"server": {"host": host}, "auth": {"mode": "keys"}}).check_exposure()


def test_an_ipv6_address_is_written_in_brackets() -> None:
    assert Settings.model_validate({"server": {"host": "::1"}}).bound_to(81).server.url == "http://[::1]:81"


@pytest.mark.parametrize(
    ("engine", "one_tenant", "reserve"),
    [
        ({}, True, 0),
        ({}, False, 8),
        ({"concurrency": 4}, False, 0),
        ({"reserve": 3}, True, 3),
        ({"reserve": 0}, False, 0),
    ],
)
def test_places_are_kept_for_other_tenants_where_there_are_some(
    engine: dict[str, Any], one_tenant: bool, reserve: int
) -> None:
    settings = Settings.model_validate({"engine": engine})
    assert settings.engine.to_engine(one_tenant=one_tenant).reserve == reserve


def test_an_agent_is_told_what_it_may_have(folder: Path) -> None:
    text = '[agents.hi]\npath = "a.py:hi"\nconcurrency = 4\npriority = -2\nresumes = ["1.*", "2.0.0"]\n'
    [source] = load(_written(folder, text)).sources()
    assert (source.concurrency, source.priority, source.resumes) == (4, -2, ("1.*", "2.0.0"))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[engine]\nreserve = 64", "reserve must be less than concurrency"),
        ('[agents.hi]\npath = "a.py"\npriority = 11', "[agents] hi priority: input should be less than or equal to 10"),
        ('[agents.hi]\npath = "a.py"\nconcurrency = 0', "[agents] hi concurrency: input should be greater than"),
    ],
)
def test_a_bound_that_is_none_is_refused(folder: Path, text: str, told: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(_written(folder, text))
    assert told in caught.value.message
