"""Which runs the commands of the thread streaming protocol have started whose end nobody has heard: a small memory,
lost with the process. See ``live/beginning.py``."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from dragoman.memory.model import Principal, Run

__all__ = ["Unheard"]

_MOST: Final = 1024


class Unheard:
    """The newest run that a command started, by thread. Kept for the newest threads."""

    def __init__(self) -> None:
        self._runs: OrderedDict[tuple[str, str], str] = OrderedDict()

    def started(self, principal: Principal, run: Run) -> None:
        """A command started this run."""
        key = principal.tenant, run.thread_id
        self._runs[key] = run.id
        self._runs.move_to_end(key)
        if len(self._runs) > _MOST:
            self._runs.popitem(last=False)

    def heard(self, principal: Principal, thread_id: str) -> None:
        """Someone was told that the thread's run has settled."""
        self._runs.pop((principal.tenant, thread_id), None)

    def of(self, principal: Principal, thread_id: str) -> str | None:
        """The run whose end nobody has heard."""
        return self._runs.get((principal.tenant, thread_id))
