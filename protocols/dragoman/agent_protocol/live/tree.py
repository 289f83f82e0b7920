"""The tree of a run and the runs that it called, as ``agent.getTree`` shows it (CDDL section 7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from dragoman.agent_protocol.reading import namespace
from dragoman.engine import Engine
from dragoman.memory.ledger import RunFilter
from dragoman.memory.model import Json, Principal, Run, RunStatus

__all__ = ["status_of", "tree_of"]

_MOST: Final = 200
_STATUS: Final[Mapping[RunStatus, str]] = {
    RunStatus.QUEUED: "started",
    RunStatus.RUNNING: "running",
    RunStatus.WAITING: "interrupted",
    RunStatus.SUCCEEDED: "completed",
    RunStatus.FAILED: "failed",
    RunStatus.CANCELLED: "failed",
}


def status_of(run: Run) -> str:
    """AgentStatus."""
    return _STATUS[run.status]


async def tree_of(engine: Engine, principal: Principal, run: Run, within: Sequence[str] = ()) -> dict[str, Json]:
    """AgentTreeNode, with what it called below it; at most 200 runs each called."""
    where = RunFilter(parent_run_id=run.id)
    called = (await engine.list_runs(principal, where, _MOST, bare=True)).items if len(within) < _MOST else ()
    children = [
        await tree_of(engine, principal, view.run, (*within, namespace(view.run.agent, view.run.id)))
        for view in reversed(called)
    ]
    node: dict[str, Json] = {
        "namespace": list(within),
        "status": status_of(run),
        "graph_name": run.agent,
        "metadata": {"run_id": run.id, "thread_id": run.thread_id},
    }
    return {**node, "children": children} if children else node
