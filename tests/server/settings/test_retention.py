"""``[retention]`` says in days how long things are kept, for all tenants and for some."""

from __future__ import annotations

from pathlib import Path

import pytest

from dragoman.agents.errors import ConfigurationError
from dragoman.engine.retention import Ages
from dragoman.settings import load


def test_a_tenant_has_its_own_ages_or_those_of_all(tmp_path: Path) -> None:
    file = tmp_path / "dragoman.toml"
    file.write_text("[retention]\nruns = 30\nevents = 0.5\n[retention.tenants.acme]\nruns = 365\n")
    made = load(file, env={}).retention.to_engine()
    assert made.ages == Ages(runs=30 * 86_400.0, events=43_200.0)
    assert made.tenants == {"acme": Ages(runs=365 * 86_400.0)}
    assert made.any


def test_without_a_policy_nothing_is_forgotten(tmp_path: Path) -> None:
    assert not load(None, env={}).retention.to_engine().any


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[retention]\nruns = 0\n", "[retention] runs"),
        ("[retention]\nrun = 3\n", "did you mean runs?"),
        ("[retention.tenants.acme]\nevents = -1\n", "[retention] tenants acme events"),
    ],
)
def test_an_age_that_is_none_is_named(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "dragoman.toml"
    file.write_text(text)
    with pytest.raises(ConfigurationError, match=said.replace("[", r"\[").replace("?", r"\?")):
        load(file, env={})
