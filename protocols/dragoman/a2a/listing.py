"""ListTasks (A2A 1.0, section 3.1.4): the caller's tasks of one agent, filtered, the latest status first, in pages.

The ledger lists runs by when they were opened, and a TaskState may be finer than a status. So the newest runs that
could match are looked through, a ledger page at a time, and the best are kept: what is held is one page, what is looked
through is bounded.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from heapq import nlargest
from typing import Final

from dragoman.a2a import project
from dragoman.a2a.errors import invalid
from dragoman.a2a.params import Listing
from dragoman.engine import Engine
from dragoman.memory.ledger import RunFilter
from dragoman.memory.model import Json, Principal, RunStatus, RunView

__all__ = ["list_tasks"]

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

_PAGE: Final = 250
_MOST: Final = 5000  # runs looked through; narrower filters reach further back


async def list_tasks(
    engine: Engine, principal: Principal, agent: str, wanted: Listing, link: project.Link
) -> dict[str, Json]:
    """A ListTasksResponse. Raises ``Fault`` for a page token that is none of ours."""
    before = _decode(wanted.page_token) if wanted.page_token else None
    where = RunFilter(
        agent=agent,
        thread_id=wanted.context_id or None,
        statuses=_STATUSES[wanted.state],
        updated_after=None if wanted.updated_after is None else wanted.updated_after - 1,  # that moment is included
    )
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
    shown = best[: wanted.page_size]
    return {
        "tasks": [project.task(view, wanted.history_length, wanted.include_artifacts, link) for view in shown],
        "nextPageToken": _encode(shown[-1]) if len(best) > len(shown) else "",
        "pageSize": wanted.page_size,
        "totalSize": total,
    }


def _is_in(view: RunView, state: str) -> bool:
    return not state or project.state(view.run, view.open_interrupts) == state


def _key(view: RunView) -> tuple[int, int]:
    return view.run.updated_at, view.run.ordinal


def _encode(last: RunView) -> str:
    updated_at, ordinal = _key(last)
    return base64.urlsafe_b64encode(f"{updated_at}.{ordinal}".encode()).decode().rstrip("=")


def _decode(token: str) -> tuple[int, int]:
    try:
        text = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode("ascii")
        updated_at, ordinal = text.split(".")
        return int(updated_at), int(ordinal)
    except ValueError:
        raise invalid("pageToken", "is not one that this list gave out") from None
