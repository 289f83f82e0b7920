"""Where large values go, by the settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from dragoman.agents.errors import ConfigurationError
from dragoman.memory.errors import DragomanError
from dragoman.settings import load
from dragoman.settings.storage import made_blobs


def test_a_folder_starts_at_that_of_the_settings_and_is_made_when_it_is_needed(tmp_path: Path) -> None:
    file = tmp_path / "dragoman.toml"
    file.write_text('[blobs]\nurl = "large"\nthreshold = 2048\n')
    blobs = made_blobs(load(file, {}, {}))
    assert blobs is not None
    assert (blobs.place.told, blobs.threshold, blobs.grace) == (str(tmp_path / "large"), 2048, 86_400.0)
    assert not (tmp_path / "large").exists()


def test_values_stay_in_the_ledger_where_no_place_is_named(tmp_path: Path) -> None:
    assert made_blobs(load(None, {}, {})) is None


def test_what_is_no_place_and_what_is_too_small_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DragomanError, match=r"\[blobs\] url: a folder, or s3://"):
        made_blobs(load(None, {}, {"DRAGOMAN_BLOBS__URL": "ftp://host/path"}))
    with pytest.raises(ConfigurationError, match=r"DRAGOMAN_BLOBS__GRACE"):
        load(None, {}, {"DRAGOMAN_BLOBS__GRACE": "60"})
