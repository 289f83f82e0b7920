"""How the runner of the official MCP suite ends where it cannot run it."""

from __future__ import annotations

from pathlib import Path

import pytest

from conformance import mcp_suite, node
from conformance.kept import kept

NOBODY = "http://127.0.0.1:9/"


def test_a_suite_that_cannot_be_installed_is_told_by_an_exit_code_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for module in (mcp_suite, node):
        monkeypatch.setattr(module, "WORK", tmp_path)
    for name, value in {
        "PIP_INDEX_URL": NOBODY,
        "PIP_RETRIES": "0",
        "PIP_FIND_LINKS": "",
        "PIP_NO_CACHE_DIR": "1",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("npm_config_registry", NOBODY)
    monkeypatch.setenv("npm_config_fetch_retries", "0")
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "cache"))
    assert mcp_suite.main(["--only", "0.1.16"]) == mcp_suite.NOT_OBTAINED == 75
    assert "The suite was not run" in capfd.readouterr().err
    assert not (tmp_path / "results").exists()


def test_part_of_the_runs_is_not_written_down(capsys: pytest.CaptureFixture[str]) -> None:
    assert mcp_suite.main(["--only", "0.1.16", "--write"]) == 2
    assert "--write takes all runs" in capsys.readouterr().err


def test_a_folder_is_filled_once_and_anew_where_that_was_broken_off(tmp_path: Path) -> None:
    folder = tmp_path / "below" / "tool"

    def break_off() -> None:
        with kept(folder, "tool@1"):
            (folder / "half").touch()
            raise RuntimeError("broken off")

    with pytest.raises(RuntimeError, match="broken off"):
        break_off()
    seen: list[tuple[bool, bool]] = []
    for content in ("tool@1", "tool@1", "tool@2"):
        with kept(folder, content) as missing:
            seen.append((missing, (folder / "half").exists()))
            (folder / "whole").touch()
    assert seen == [(True, False), (False, False), (True, False)]
