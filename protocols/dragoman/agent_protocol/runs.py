"""Runs, on both surfaces: open (background, wait, stream), get, wait, join, cancel, delete, search, and ``resume``.

The opening verbs read their surface from the body, the others have it from their path. Below: ``opening.py`` for
bodies, ``face.py`` for waiting and streaming, the engine for the rest.
"""

from __future__ import annotations

import re

from dragoman.agent_protocol import project, project_sdk
from dragoman.agent_protocol.endpoint import Answer, Call, Reply, empty, json_reply
from dragoman.agent_protocol.face import Face, location
from dragoman.agent_protocol.opening import NewRun, answer, opening
from dragoman.agent_protocol.options import RunOptions
from dragoman.agent_protocol.shapes import run_status, statuses_named
from dragoman.agent_protocol.sse import START, Position, position
from dragoman.agent_protocol.surface import Surface
from dragoman.agent_protocol.wire import CancelQuery, RunSearch
from dragoman.agent_protocol.wire_sdk import JoinQuery, RunListQuery
from dragoman.memory.errors import RunNotFound
from dragoman.memory.ledger import RunFilter
from dragoman.memory.model import Run

__all__ = [
    "artifact",
    "cancel",
    "create",
    "delete",
    "get",
    "list_of_thread",
    "resume",
    "search",
    "stream",
    "wait",
    "wait_for",
    "wait_on_thread",
    "watch",
]


_MIME = re.compile(r"[\w.+-]+/[\w.+-]+(; ?[\w.+-]+=[\w.+-]+)*", re.ASCII)


# -- opening ----------------------------------------------------------------------------------------------------------
async def wait(face: Face, call: Call) -> Answer:
    """POST /runs/wait, POST /threads/{thread_id}/runs/wait"""
    opened = await opening(face, call)
    patience = face.settings.patience
    if isinstance(opened, NewRun):
        run = await face.engine.run(call.principal, opened.request, patience)
    else:
        run = await face.engine.wait(call.principal, opened.run.id, patience)
    return await face.wait(call, run, cancel_on_leave=opened.cancel_on_leave)


async def stream(face: Face, call: Call) -> Answer:
    """POST /runs/stream, POST /threads/{thread_id}/runs/stream"""
    opened = await opening(face, call)
    if not isinstance(opened, NewRun):
        return face.stream(
            call,
            opened.run,
            opened.modes,
            opened.after,
            cancel_on_leave=opened.cancel_on_leave,
            subgraphs=opened.subgraphs,
        )
    request, before = opened.request, 0
    if request.thread_id is not None and not request.create_thread:
        before = (await face.engine.thread(call.principal, request.thread_id)).last_seq
    run = await face.engine.accept(call.principal, request)
    begin = None if request.thread_id is not None and request.create_thread else before
    return face.stream(
        call,
        run,
        opened.modes,
        START,
        cancel_on_leave=opened.cancel_on_leave,
        begin=begin,
        subgraphs=opened.subgraphs,
    )


async def create(face: Face, call: Call) -> Answer:
    """POST /runs, POST /threads/{thread_id}/runs"""
    opened = await opening(face, call)
    run = await face.engine.accept(call.principal, opened.request) if isinstance(opened, NewRun) else opened.run
    return await _shown(face, call, run)


async def resume(face: Face, call: Call) -> Answer:
    """POST /runs/{run_id}/resume"""
    body = call.body()
    run = await face.run(call)
    return await _shown(face, call, await answer(face, call, run, body))


# -- one run ----------------------------------------------------------------------------------------------------------
async def get(face: Face, call: Call) -> Answer:
    """GET /runs/{run_id}, GET /threads/{thread_id}/runs/{run_id}"""
    return await _shown(face, call, await face.run(call))


async def wait_for(face: Face, call: Call) -> Answer:
    """GET /runs/{run_id}/wait, GET /threads/{thread_id}/runs/{run_id}/join"""
    run = await face.run(call)
    if not run.settled:
        run = await face.engine.wait(call.principal, run.id, face.settings.patience)
    return await face.wait(call, run, cancel_on_leave=False)


async def wait_on_thread(face: Face, call: Call) -> Answer:
    """GET /threads/{thread_id}/runs/{run_id}/wait, which the protocol's README has and its document has not: the run's
    own fields, and with them what a wait answers"""
    run = await face.run(call)
    run = run if run.settled else await face.engine.wait(call.principal, run.id, face.settings.wait_limit)
    told = await face.result(call, run)
    return json_reply({**told["run"], **told})


async def watch(face: Face, call: Call) -> Answer:
    """GET /runs/{run_id}/stream, GET /threads/{thread_id}/runs/{run_id}/stream"""
    asked = call.read_query(JoinQuery)
    after: Position | None = position(call.header(b"last-event-id"))
    run = await face.run(call)
    kept = RunOptions.of(run.metadata)
    modes = [str(mode) for mode in asked.stream_mode or kept.stream_mode]
    subgraphs = kept.stream_subgraphs if asked.stream_subgraphs is None else asked.stream_subgraphs
    return face.stream(call, run, modes, after, cancel_on_leave=asked.cancel_on_disconnect, subgraphs=subgraphs)


async def cancel(face: Face, call: Call) -> Answer:
    """POST /runs/{run_id}/cancel, POST /threads/{thread_id}/runs/{run_id}/cancel"""
    asked = call.read_query(CancelQuery)
    run = await face.run(call)
    await face.engine.cancel(call.principal, run.id, rollback=asked.action == "rollback")
    return empty(204 if asked.wait or call.surface is Surface.AGENT_PROTOCOL else 202)


async def delete(face: Face, call: Call) -> Answer:
    """DELETE /runs/{run_id}, DELETE /threads/{thread_id}/runs/{run_id}"""
    run = await face.run(call)
    await face.engine.delete_run(call.principal, run.id)
    return empty()


async def artifact(face: Face, call: Call) -> Answer:
    """GET /runs/{run_id}/artifacts/{artifact_id}, an extension: what a run made, never shown as a page of this
    origin."""
    run = await face.run(call)
    view = await face.engine.view(call.principal, run)
    wanted = call.path("artifact_id")
    found = next((a for a in view.artifacts if a.id == wanted), None)
    if found is None:
        raise RunNotFound(f"The run has no artifact {wanted[:80]!r}.")
    mime_type = found.mime_type if _MIME.fullmatch(found.mime_type) else "application/octet-stream"
    headers = [
        (b"content-type", mime_type.encode()),
        (b"content-disposition", b"attachment"),
        (b"x-content-type-options", b"nosniff"),
    ]
    return Reply(200, found.data, headers)


# -- lists ------------------------------------------------------------------------------------------------------------
async def search(face: Face, call: Call) -> Answer:
    """POST /runs/search"""
    asked = call.read(RunSearch)
    statuses = statuses_named(asked.status, call.surface) if asked.status else None
    where = RunFilter(asked.agent_id, asked.thread_id, statuses, metadata=asked.metadata or None)

    def fits(run: Run) -> bool:
        return asked.status is None or run_status(run, call.surface) == asked.status

    found = await face.listed(call, where, fits, asked.offset, asked.limit)
    return json_reply([project.run(view) for view in found])


async def list_of_thread(face: Face, call: Call) -> Answer:
    """GET /threads/{thread_id}/runs"""
    asked = call.read_query(RunListQuery)
    thread_id = await face.thread_id(call)
    await face.engine.thread(call.principal, thread_id)
    statuses = statuses_named(asked.status, call.surface) if asked.status else None

    def fits(run: Run) -> bool:
        return asked.status is None or run_status(run, call.surface) == asked.status

    found = await face.listed(call, RunFilter(thread_id=thread_id, statuses=statuses), fits, asked.offset, asked.limit)
    return json_reply([project_sdk.selected(project_sdk.run(view.run), asked.select) for view in found])


async def _shown(face: Face, call: Call, run: Run) -> Reply:
    if call.surface is Surface.LANGGRAPH:
        where = location(call.surface, run).encode()
        return json_reply(project_sdk.run(run), headers=[(b"content-location", where)])
    return json_reply(project.run(await face.engine.view(call.principal, run)))
