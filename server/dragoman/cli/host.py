"""What commands need of the place where runs are, in the words of the model. Nothing is found, printed or sent here."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from dragoman.cli.phase import Phase
from dragoman.memory.model import Json, RunStatus, RunView

__all__ = ["PHASES", "Happening", "Host", "Input", "note_of_progress", "phase_of"]

PHASES: Mapping[Phase, frozenset[RunStatus]] = {
    Phase.ACTIVE: frozenset({RunStatus.QUEUED, RunStatus.RUNNING}),
    **{Phase(s): frozenset({RunStatus(s)}) for s in ("waiting", "succeeded", "failed", "cancelled")},
}


def phase_of(status: RunStatus) -> Phase:
    """The phase that a status belongs to."""
    return next(phase for phase, statuses in PHASES.items() if status in statuses)


@dataclass(frozen=True, slots=True)
class Input:
    """What an agent is given: structured, or prose."""

    value: Mapping[str, Json] | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Happening:
    """Something to show while a run is at work: a piece of its reply, or a note on what it does."""

    kind: Literal["text", "note"]
    text: str


class Host(Protocol):
    """Where runs are. Errors are ``DragomanError``s with a message for people."""

    where: str
    shared: bool
    """Whether runs go on there when this process has ended."""

    async def open(self, agent: str, given: Input, thread: str | None) -> RunView:
        """Open a run."""
        ...

    def watch(self, run: RunView) -> AsyncGenerator[Happening, None]:
        """What happens until the run has ended or waits, from where the last watch of it stopped."""
        ...

    async def get(self, run_id: str) -> RunView:
        """One run, with its open questions, and its output when it has one."""
        ...

    async def answer(self, run_id: str, answers: Mapping[str, Json]) -> RunView:
        """Answer open questions by id."""
        ...

    async def runs(self, phase: Phase | None, agent: str | None, limit: int) -> Sequence[RunView]:
        """Runs, newest first."""
        ...


def note_of_progress(data: Mapping[str, Any]) -> str:
    """``2/4 risk weighed``"""
    total = data.get("total")
    count = f"{data.get('progress', 0):g}{f'/{total:g}' if total is not None else ''}"
    return f"{count} {data.get('message') or ''}".strip()
