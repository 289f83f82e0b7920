"""Links to files when the key that seals them changes."""

from __future__ import annotations

import pytest

from dragoman.a2a.files import BadLink, Links
from dragoman.a2a.settings import A2aSettings
from dragoman.memory.model import Artifact, Run, RunStatus

OLD, NEW = b"o" * 32, b"n" * 32
RUN = Run("acme", "run-1", "thread-1", "writer", "1", RunStatus.SUCCEEDED, 0, 0)
FILE = Artifact("run-1", "artifact-1", "report.pdf", "application/pdf", b"12345")


def _links(key: bytes, *previous: bytes) -> Links:
    settings = A2aSettings(file_url="https://a.example", file_key=key, previous_file_keys=previous, inline_limit=1)
    return Links(settings)


def _token(links: Links) -> str:
    link = links.link(RUN, FILE)
    assert link is not None
    return link.split("/")[-2]


def test_a_link_of_before_opens_with_the_key_that_took_the_place_of_its_own() -> None:
    assert _links(NEW, OLD).open(_token(_links(OLD))) == ("acme", "run-1", "artifact-1")
    assert _links(NEW).open(_token(_links(NEW, OLD))) == ("acme", "run-1", "artifact-1")  # the first one seals


def test_a_link_of_another_key_leads_nowhere() -> None:
    with pytest.raises(BadLink, match="no such file"):
        _links(NEW).open(_token(_links(OLD)))
