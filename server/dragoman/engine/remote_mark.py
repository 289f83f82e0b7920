"""What the journal keeps of a call to a peer while it is under way: the started row of its step.

Values and their arithmetic; ``remote`` acts on them, and the engine reads the peer's task from them when a run that
sleeps is cancelled.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from dragoman.agents.errors import StepTimeout
from dragoman.agents.remote import RemoteTask, RemoteUnreachable
from dragoman.memory.ids import now_micros
from dragoman.memory.model import Json, Step, StepStatus

__all__ = ["Mark", "tasks_under_way"]

_FRESH = 1_000_000  # microseconds between changes of ``since`` that are worth a write


@dataclass(slots=True)
class Mark:
    """``task`` is the peer's, once it is known. ``asking`` names the last question that it asked and ``number`` counts
    them; ``answered`` names the last one whose answer it took. ``since`` is when something last happened, ``down``
    since when the peer cannot be reached, ``deadline`` when the call is given up, in microseconds. ``trace`` is the
    trace that the call belongs to, also after a restart."""

    remote: str
    since: int
    deadline: int | None = None
    task: str = ""
    context: str = ""
    asking: str = ""
    number: int = 0
    answered: str = ""
    down: int | None = None
    trace: str = ""

    @classmethod
    def new(cls, peer: str, timeout: float | None, trace: str) -> Self:
        """Of a call that begins now; ``timeout`` is in seconds."""
        now = now_micros()
        return cls(peer, now, None if timeout is None else now + int(timeout * 1e6), trace=trace)

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Self:
        """As ``to_json`` made it."""
        return cls(**row)

    def to_json(self) -> dict[str, Json]:
        """As the journal keeps it."""
        return asdict(self)

    def heard(self, task: RemoteTask, answered: str) -> None:
        """The peer has told of its task; ``answered`` names the question that it was answered, if any."""
        self.task, self.context = task.id, task.context_id
        self.since, self.down = now_micros(), None
        self.answered = answered or self.answered

    def asked(self, asks: str) -> bool:
        """The peer asks this; whether that is a new question."""
        new = asks != self.asking
        if new:
            self.asking = asks
            self.number += 1
            self.since = now_micros()
        return new

    def moved(self) -> bool:
        """Something happened; whether the journal should know before a wait."""
        now = now_micros()
        stale = now - self.since > _FRESH or self.down is not None
        self.since, self.down = now, None
        return stale

    def unreachable(self, error: RemoteUnreachable, patience: float) -> None:
        """The peer could not be reached. Raises the error when that has been so for ``patience`` seconds."""
        now = now_micros()
        if self.down is None:
            self.down = self.since = now
        if now - self.down >= patience * 1e6:
            raise RemoteUnreachable(f"{error.message} It was tried for {patience:g} s.") from error

    def check_deadline(self, key: str) -> None:
        """Raise ``StepTimeout`` when the call is to be given up."""
        if self.deadline is not None and now_micros() >= self.deadline:
            raise StepTimeout(f"The call {key!r} of {self.remote} took longer than its time-out.")

    def left(self) -> float:
        """Seconds until the deadline."""
        return float("inf") if self.deadline is None else max((self.deadline - now_micros()) / 1e6, 0.0)

    def next_look(self, least: float, most: float) -> int:
        """When to look at the peer again: after half of the time that nothing has happened for, within these seconds,
        and not past the deadline."""
        now = now_micros()
        wait = min(max((now - self.since) / 2e6, least), most)
        at = now + int(wait * 1e6)
        return at if self.deadline is None else min(at, self.deadline)


def tasks_under_way(journal: Mapping[str, Step]) -> list[tuple[str, str]]:
    """The peers and their tasks that a run's journal tells to be under way."""
    rows: list[Any] = [step.result for step in journal.values() if step.status is StepStatus.STARTED]
    marks = [Mark.of(row) for row in rows if isinstance(row, dict) and "remote" in row]  # pyright: ignore[reportUnknownArgumentType]
    return [(mark.remote, mark.task) for mark in marks if mark.task]
