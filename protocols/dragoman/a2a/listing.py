"""ListTasks (A2A 1.0, section 3.1.4): the caller's tasks of one agent, filtered, the latest status first, in pages.

The ledger lists an agent's runs by their last change. A TaskState may be finer than a status: then runs are looked
through until the page is full, and counted in a bounded number of them. The runs of one context are few: they are
looked through as a whole.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from heapq import nlargest
from typing import Final

from dragoman.a2a import project
from dragoman.a2a.errors import invalid
from dragoman.a2a.params import Listing
from dragoman.engine import Engine
from dragoman.memory.latest import Latest
from dragoman.memory.ledger import RunFilter
from dragoman.memory.model import Json, Principal, RunStatus, RunView

__all__ = ["list_tasks"]

Key = tuple[int, int]

_STATUSES: Final[Mapping[str, frozenset[RunStatus] | None]] = {
    "": None,
    "TASK_STATE_SUBMITTED": frozenset({RunStatus.QUEUED}),
    "TASK_STATE_WORKING": frozenset({RunStatus.QUEUED, RunStatus.RUNNING}),
    "TASK_STATE_COMPLETED": frozenset({RunStatus.SUCCEEDED}),
    "TASK_STATE_FAILED": frozenset({RunStatus.FAILED}),
    "TASK_STATE_REJECTED": frozenset({RunStatus.FAILED}),
    "TASK_STATE_CANCELED": frozenset({RunStatus.CANCELLED}),
    "TASK_STATE_INPUT_REQUIRED": frozenset({RunStatus.WAITING}),
    "TASK_STATE_AUTH_REQUIRED": frozenset({RunStatus.WAITING}),
}
"""The statuses that a run in a state may have."""

_WHOLE: Final = frozenset({"", "TASK_STATE_COMPLETED", "TASK_STATE_CANCELED"})
"""The states that are all of their statuses."""

_PAGE: Final = 250
_MOST: Final = 5000  # counted, of a status
_LOOKED_THROUGH: Final = 1000  # counted among, where a state is not all of its statuses


async def list_tasks(
    engine: Engine, principal: Principal, agent: str, wanted: Listing, link: project.Link
) -> dict[str, Json]:
    """A ListTasksResponse. Raises ``Fault`` for a page token that is none of ours."""
    before = _decode(wanted.page_token) if wanted.page_token else None
    found = _of_context if wanted.context_id else _of_agent
    best, total = await found(engine, principal, agent, wanted, before)
    shown = best[: wanted.page_size]
    return {
        "tasks": [project.task(view, wanted.history_length, wanted.include_artifacts, link) for view in shown],
        "nextPageToken": _encode(shown[-1]) if len(best) > len(shown) else "",
        "pageSize": wanted.page_size,
        "totalSize": total,
    }


async def _of_agent(
    engine: Engine, principal: Principal, agent: str, wanted: Listing, before: Key | None
) -> tuple[Sequence[RunView], int]:
    """A page and one more, and the number of all."""
    which = Latest(agent, _STATUSES[wanted.state], _after(wanted))
    if wanted.state in _WHOLE:
        page = await engine.latest_runs(principal, which, wanted.page_size + 1, before)
        return page, await engine.count_latest(principal, which, _MOST)
    page = await _in_state(engine, principal, which, wanted.state, before, wanted.page_size + 1)
    counted = await _in_state(engine, principal, which, wanted.state, None, _MOST, _LOOKED_THROUGH)
    return page, len(counted)


async def _in_state(
    engine: Engine, principal: Principal, which: Latest, state: str, before: Key | None, enough: int, among: int = _MOST
) -> list[RunView]:
    """Up to ``enough`` runs in a state, among so many that might be."""
    found: list[RunView] = []
    for _ in range(among // _PAGE):
        page = await engine.latest_runs(principal, which, _PAGE, before)
        found += [view for view in page if _is_in(view, state)]
        if len(page) < _PAGE or len(found) >= enough:
            break
        before = _key(page[-1])
    return found[:enough]


async def _of_context(
    engine: Engine, principal: Principal, agent: str, wanted: Listing, before: Key | None
) -> tuple[Sequence[RunView], int]:
    """The same of one context."""
    where = RunFilter(agent, wanted.context_id, _STATUSES[wanted.state], updated_after=_after(wanted))
    total, best = 0, list[RunView]()
    cursor: str | None = None
    for _ in range(_MOST // _PAGE):
        page = await engine.list_runs(principal, where, _PAGE, cursor)
        matching = [view for view in page.items if _is_in(view, wanted.state)]
        total += len(matching)
        left = [view for view in matching if before is None or _key(view) < before]
        best = nlargest(wanted.page_size + 1, best + left, key=_key)
        cursor = page.cursor
        if cursor is None:
            break
    return best, total


def _after(wanted: Listing) -> int | None:
    return None if wanted.updated_after is None else wanted.updated_after - 1  # that moment is included


def _is_in(view: RunView, state: str) -> bool:
    return not state or project.state(view.run, view.open_interrupts) == state


def _key(view: RunView) -> Key:
    return view.run.updated_at, view.run.ordinal


def _encode(last: RunView) -> str:
    updated_at, ordinal = _key(last)
    return base64.urlsafe_b64encode(f"{updated_at}.{ordinal}".encode()).decode().rstrip("=")


def _decode(token: str) -> Key:
    try:
        text = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode("ascii")
        updated_at, ordinal = text.split(".")
        return int(updated_at), int(ordinal)
    except ValueError:
        raise invalid("pageToken", "is not one that this list gave out") from None
