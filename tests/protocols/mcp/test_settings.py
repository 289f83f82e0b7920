"""The settings of the face: those in ``dragoman.toml`` are all documented, and have the face's own defaults."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from dragoman.mcp import McpSettings
from dragoman.settings import Settings
from dragoman.settings.faces import mcp_settings

DOCUMENT = Path(__file__).resolve().parents[3] / "docs/configuration.md"
ELSEWHERE = {"prompts", "skills"}  # folders, which the app reads


def _documented() -> set[str]:
    """The keys in the rows of ``[mcp]``."""
    _, _, after = DOCUMENT.read_text().partition("| `[mcp]` |")
    rows = re.split(r"\n\| `\[", after)[0].splitlines()
    cells = [row.removeprefix("| |").split("|")[0] for row in rows]
    return {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}


def test_every_key_is_documented_and_no_other() -> None:
    assert _documented() == set(type(Settings().mcp).model_fields)


def test_a_key_has_the_default_of_the_face() -> None:
    own = {field.name: field.default for field in fields(McpSettings)}
    keys = Settings().mcp.model_dump(exclude=ELSEWHERE)
    assert keys == {name: own[name] for name in keys}


def test_what_is_set_reaches_the_face(tmp_path: Path) -> None:
    told = {"keepalive": 5.0, "stream_close_after": 20.0, "session_ttl": 60.0, "state_ttl": 30.0, "embed_limit": 0}
    told |= {"listed_runs": 5, "listen_streams": 2, "listen_items": 3, "page_size": 7}
    settings = Settings.model_validate({"storage": {"path": tmp_path / "ledger.db"}, "mcp": told})
    reached = mcp_settings(settings)
    assert {name: getattr(reached, name) for name in told} == told


@pytest.mark.parametrize("key", ["keepalive", "stream_close_after", "session_ttl", "state_ttl", "listen_streams"])
def test_nothing_is_no_time_and_no_number(key: str) -> None:
    with pytest.raises(ValueError, match=key):
        Settings.model_validate({"mcp": {key: 0}})
