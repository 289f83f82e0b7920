"""Many runs at once, as the LangGraph SDK asks for them: opened in one request, and cancelled by ids, thread or
status."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from dragoman.agent_protocol import project_sdk
from dragoman.agent_protocol.endpoint import Answer, Call, empty, json_reply
from dragoman.agent_protocol.face import Face
from dragoman.agent_protocol.narrow import is_object
from dragoman.agent_protocol.opening import sdk_request
from dragoman.agent_protocol.shapes import statuses_named
from dragoman.agent_protocol.surface import Surface
from dragoman.agent_protocol.unkept import refuse
from dragoman.agent_protocol.webhooks import check_webhook
from dragoman.agent_protocol.wire import CancelQuery
from dragoman.agent_protocol.wire_sdk import BatchRun, CancelMany
from dragoman.engine import RunRequest
from dragoman.memory.errors import InputInvalid, RunEnded, RunNotFound
from dragoman.memory.ledger import RunFilter
from dragoman.memory.model import ACTIVE, Run

__all__ = ["cancel_many", "create_batch"]

_MOST: Final = 1000
_AT_ONCE: Final = 32


async def create_batch(face: Face, call: Call) -> Answer:
    """POST /runs/batch: a list of bodies. All are read before the first run is opened."""
    requests = [await _read(face, call, body, n) for n, body in enumerate(_bodies(call))]
    runs = [await face.engine.accept(call.principal, request) for request in requests]
    return json_reply([project_sdk.run(run) for run in runs])


def _bodies(call: Call) -> Sequence[object]:
    found = call.items()
    if not 0 < len(found) <= _MOST:
        raise _wrong("", f"must be a list of 1 to {_MOST} bodies")
    return found


async def _read(face: Face, call: Call, body: object, number: int) -> RunRequest:
    if not is_object(body):
        raise _wrong(str(number), "must be an object")
    asked = call.read(BatchRun, body)
    await check_webhook(face.engine, asked.webhook)
    if asked.command is not None:
        raise refuse(f"{number}.command", "a batch opens runs; resume one by a request of its own")
    thread_id = None if asked.thread_id is None else await face.checked_thread_id(call, asked.thread_id)
    return await sdk_request(face, call.principal, asked, thread_id)


async def cancel_many(face: Face, call: Call) -> Answer:
    """POST /runs/cancel: runs by id, or all of a status; with ``thread_id`` those of that thread. Runs that have ended
    are let be."""
    rollback = call.read_query(CancelQuery).action == "rollback"
    asked = call.read(CancelMany)
    if asked.run_ids is None and asked.status is None and asked.thread_id is None:
        raise _wrong("run_ids", "give run_ids, status or thread_id")
    runs = await (_named(face, call, asked) if asked.run_ids is not None else _in_status(face, call, asked))
    room = asyncio.Semaphore(_AT_ONCE)

    async def cancel(run: Run) -> None:
        async with room:
            try:
                await face.engine.cancel(call.principal, run.id, rollback=rollback)
            except (RunEnded, RunNotFound):
                return  # it was quicker

    await asyncio.gather(*(cancel(run) for run in runs))
    return empty()


async def _named(face: Face, call: Call, asked: CancelMany) -> list[Run]:
    found: list[Run] = []
    for run_id in dict.fromkeys(asked.run_ids or ()):
        run = await face.engine.get(call.principal, run_id)
        if asked.thread_id not in (None, run.thread_id):
            raise RunNotFound(f"No run {run_id!r} on this thread.")
        found.append(run)
    return [run for run in found if not run.ended]


async def _in_status(face: Face, call: Call, asked: CancelMany) -> list[Run]:
    if asked.thread_id is not None:
        await face.engine.thread(call.principal, asked.thread_id)
    only = ACTIVE if asked.status in (None, "all") else statuses_named(asked.status, Surface.LANGGRAPH)
    where = RunFilter(thread_id=asked.thread_id, statuses=only)
    return [view.run async for view in face.runs(call, where)]


def _wrong(field: str, problem: str) -> InputInvalid:
    return InputInvalid(f"Invalid body: {field or 'the body'}: {problem}.", ({"field": field, "problem": problem},))
