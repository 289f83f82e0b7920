"""What a run is opened with besides its input: what its author reads of it, and what its caller wants of it.

Kept with the run, so that a crash changes nothing of it. Plain values; the engine and the ledger act on them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["RunSetup", "dump_setup", "setup_of"]


@dataclass(frozen=True, slots=True)
class RunSetup:
    """``config`` and ``context`` are for the agent to read. ``from_checkpoint`` is the number of the thread's
    checkpoint whose values the run begins from, None for the newest. ``pause_before`` and ``pause_after`` name the
    steps at which it asks before it goes on, ``*`` being any. With ``forget`` its thread is deleted a minute after it
    has ended."""

    config: Mapping[str, Any] = field(default_factory=dict[str, Any])
    context: Mapping[str, Any] = field(default_factory=dict[str, Any])
    from_checkpoint: int | None = None
    pause_before: tuple[str, ...] = ()
    pause_after: tuple[str, ...] = ()
    forget: bool = False


_NOTHING = RunSetup()


def dump_setup(setup: RunSetup | None) -> dict[str, Any] | None:
    """A setup as JSON, of what is not the default; None where that is nothing."""
    if setup is None or setup == _NOTHING:
        return None
    kept = {name: getattr(setup, name) for name in RunSetup.__slots__}
    return {name: value for name, value in kept.items() if value != getattr(_NOTHING, name)}


def setup_of(kept: Mapping[str, Any]) -> RunSetup:
    """A setup from its JSON."""
    lists: dict[str, Any] = {name: tuple(kept[name]) for name in ("pause_before", "pause_after") if name in kept}
    return RunSetup(**{**kept, **lists})
