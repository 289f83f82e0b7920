"""Where the keys that seal what clients carry come from, and that every face has the same."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from dragoman.agents.errors import ConfigurationError
from dragoman.settings import load
from dragoman.settings.faces import a2a_settings, mcp_settings, webhook_key
from dragoman.settings.sealing import VARIABLE, load_key, sealing_keys

OLD, NEW = b"o" * 32, bytes(range(32))


def _text(key: bytes) -> str:
    return base64.b64encode(key).decode()


def _file(folder: Path, table: str = "") -> Path:
    (folder / "dragoman.toml").write_text(table)
    return folder / "dragoman.toml"


def test_a_server_alone_makes_a_key_beside_its_ledger_for_its_owner_alone(tmp_path: Path) -> None:
    settings = load(_file(tmp_path), env={})
    keys = sealing_keys(settings, {})
    path = tmp_path / ".dragoman" / "ledger.db.key"
    assert keys == sealing_keys(settings, {}) == (path.read_bytes(),)
    assert len(keys[0]) == 32
    assert path.stat().st_mode & 0o077 == 0
    assert [p.name for p in path.parent.iterdir()] == ["ledger.db.key"]


def test_a_file_beside_the_ledger_that_holds_no_key_is_told_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"short")
    with pytest.raises(ConfigurationError, match="key should hold a key of 32 bytes and holds 5"):
        load_key(tmp_path / "key")


def test_files_that_are_named_hold_keys_as_bytes_or_as_base64_the_first_of_which_seals(tmp_path: Path) -> None:
    (tmp_path / "new.key").write_text(f"{_text(NEW)}\n")
    (tmp_path / "old.key").write_bytes(OLD)
    settings = load(_file(tmp_path, '[auth]\nsealing_keys = ["new.key", "old.key"]'), env={})
    assert sealing_keys(settings, {}) == (NEW, OLD)
    assert not (tmp_path / ".dragoman").exists()


def test_the_environment_holds_the_keys_themselves_and_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file.key").write_bytes(b"f" * 32)
    settings = load(_file(tmp_path, '[auth]\nsealing_keys = ["file.key"]'), env={})
    monkeypatch.setenv(VARIABLE, f"{_text(NEW)}, {_text(OLD)}")
    mcp, a2a = mcp_settings(settings), a2a_settings(settings)
    assert (mcp.state_key, mcp.previous_keys) == (NEW, (OLD,))
    assert (a2a.file_key, a2a.previous_file_keys) == (NEW, (OLD,))
    assert webhook_key(settings) == NEW


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, r"dragoman\.toml: \[auth\] sealing_keys: .*the\.key cannot be read \(No such file"),
        (b"too short", r"sealing_keys: .*the\.key holds no Base64 of 32 bytes or more; make one with"),
        (_text(b"k" * 31).encode(), "holds no Base64 of 32 bytes or more"),
        (b"", "holds no Base64 of 32 bytes or more"),
    ],
)
def test_a_file_without_a_key_is_named_and_none_is_made(tmp_path: Path, content: bytes | None, told: str) -> None:
    path = tmp_path / "the.key"
    if content is not None:
        path.write_bytes(content)
    settings = load(_file(tmp_path, '[auth]\nsealing_keys = ["the.key"]'), env={})
    with pytest.raises(ConfigurationError, match=told) as caught:
        sealing_keys(settings, {})
    assert path.exists() is (content is not None)
    assert not content or content.decode() not in str(caught.value)


def test_a_variable_without_a_key_is_named_and_its_value_is_not_shown(tmp_path: Path) -> None:
    settings = load(_file(tmp_path), env={})
    with pytest.raises(ConfigurationError, match=f"{VARIABLE}: key 2 holds no Base64") as caught:
        sealing_keys(settings, {VARIABLE: f"{_text(NEW)},hunter2"})
    assert "hunter2" not in str(caught.value)
    assert _text(NEW) not in str(caught.value)
