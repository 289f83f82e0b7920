"""Which runs commands have started whose end nobody has heard: a small memory, lost with the process."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, Final

from dragoman.agent_protocol.live.source import Numbered
from dragoman.memory.model import Principal, Run

__all__ = ["Unheard"]

_MOST: Final = 1024
_ENDS: Final = frozenset({"completed", "failed", "interrupted"})


class Unheard:
    """The runs that commands started, by thread, until their end was heard by someone. Kept for the newest threads."""

    def __init__(self) -> None:
        self._runs: OrderedDict[tuple[str, str], str] = OrderedDict()

    def started(self, principal: Principal, run: Run) -> None:
        """A command started this run."""
        key = principal.tenant, run.thread_id
        self._runs[key] = run.id
        self._runs.move_to_end(key)
        if len(self._runs) > _MOST:
            self._runs.popitem(last=False)

    def sent(self, principal: Principal, thread_id: str, event: Numbered) -> None:
        """An event was sent to someone."""
        told: Any = event.told
        if told.method == "lifecycle" and not told.namespace and told.data["event"] in _ENDS:
            self._runs.pop((principal.tenant, thread_id), None)

    def of(self, principal: Principal, thread_id: str) -> str | None:
        """The run whose end nobody has heard."""
        return self._runs.get((principal.tenant, thread_id))
