"""What a requirement is: one sentence of a specification with MUST or MUST NOT in it that binds a server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Requirement"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """A requirement, and what becomes of it: shown by tests, not met, or outside of what Dragoman does.

    ``page`` and ``section`` say where it stands; ``says`` puts it into our own words. ``tests`` are node ids of pytest
    without parameters, and each of them carries ``@pytest.mark.requirement`` with this ``id``. ``unmet`` says what is
    missing (beside ``tests``: what of it they do not show), ``outside`` why it asks nothing of this server.
    """

    id: str
    page: str
    section: str
    says: str
    binds: Literal["server", "both"] = "server"
    tests: tuple[str, ...] = ()
    unmet: str = ""
    outside: str = ""
