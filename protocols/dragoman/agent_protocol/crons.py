"""Crons, as the LangGraph SDK has them: for a thread, or with a thread of its own for each run.

A cron keeps the body that its runs are opened with, and each is opened as if a client had sent it then: with the
assistant's version of that day, and every option of a run. When they are opened, the engine tells.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from pydantic import ValidationError

from dragoman.agent_protocol import project_sdk
from dragoman.agent_protocol.endpoint import Answer, Call, Header, empty, json_reply
from dragoman.agent_protocol.face import Face
from dragoman.agent_protocol.opening import sdk_request
from dragoman.agent_protocol.shapes import is_uuid
from dragoman.agent_protocol.webhooks import check_webhook
from dragoman.agent_protocol.wire_crons import RUN_FIELDS, CronCount, CronCreate, CronPatch, CronSearch
from dragoman.agent_protocol.wire_sdk import SdkRunCreate
from dragoman.agents.signature import problems_of
from dragoman.engine import RunRequest
from dragoman.engine.assistants import own_assistant_id
from dragoman.memory.crons import Cron, CronFilter, CronOrder
from dragoman.memory.errors import InputInvalid
from dragoman.memory.ids import uuid7
from dragoman.memory.model import Json, Principal

__all__ = ["KIND", "count", "create", "delete", "run_of", "search", "update"]

KIND: Final = "langgraph"

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ORDERS: Final[Mapping[str | None, CronOrder]] = {
    None: "created_at",
    "cron_id": "id",
    "assistant_id": "assistant_id",
    "thread_id": "thread_id",
    "created_at": "created_at",
    "updated_at": "updated_at",
    "next_run_date": "next_at",
    "end_time": "end_at",
}


async def create(face: Face, call: Call) -> Answer:
    """POST /runs/crons, POST /threads/{thread_id}/runs/crons"""
    body = call.body()
    asked = call.read(CronCreate, body)
    thread_id = await face.thread_id(call) if "thread_id" in call.scope["path_params"] else None
    assistant = await face.engine.assistants.get(call.principal, asked.assistant_id)
    await check_webhook(face.engine, body.get("webhook"))
    added = await face.engine.crons.add(
        call.principal,
        Cron(
            tenant=call.principal.tenant,
            id=uuid7(),
            kind=KIND,
            assistant_id=assistant.id,
            schedule=asked.schedule,
            thread_id=thread_id,
            timezone=asked.timezone,
            end_at=_micros(asked.end_time),
            enabled=asked.enabled,
            on_run_completed=None if thread_id is not None else asked.on_run_completed or "delete",
            payload=_payload(body),
            metadata=asked.metadata,
        ),
    )
    return json_reply(project_sdk.cron(added))


async def update(face: Face, call: Call) -> Answer:
    """PATCH /runs/crons/{cron_id}"""
    body = call.body()
    asked = call.read(CronPatch, body)
    await check_webhook(face.engine, body.get("webhook"))

    def change(old: Cron) -> Cron:
        new = replace(old, payload={**old.payload, **_payload(body)})
        given: dict[str, Any] = {
            "schedule": asked.schedule,
            "timezone": asked.timezone,
            "enabled": asked.enabled,
            "metadata": asked.metadata,
            "on_run_completed": asked.on_run_completed if old.thread_id is None else None,
        }
        new = replace(new, **{name: value for name, value in given.items() if value is not None})
        return replace(new, end_at=_micros(asked.end_time)) if "end_time" in body else new

    return json_reply(project_sdk.cron(await face.engine.crons.change(call.principal, _id(call), change)))


async def delete(face: Face, call: Call) -> Answer:
    """DELETE /runs/crons/{cron_id}"""
    await face.engine.crons.delete(call.principal, _id(call))
    return empty()


async def search(face: Face, call: Call) -> Answer:
    """POST /runs/crons/search"""
    asked = call.read(CronSearch)
    found = await face.engine.crons.search(
        call.principal,
        _filter(face, asked),
        _ORDERS[asked.sort_by],
        descending=asked.sort_order == "desc",
        limit=asked.limit + 1,
        offset=asked.offset,
    )
    page = [project_sdk.selected(project_sdk.cron(one), asked.select) for one in found[: asked.limit]]
    end = str(asked.offset + asked.limit).encode()
    more: list[Header] = [(b"x-pagination-next", end)] if len(found) > asked.limit else []
    return json_reply(page, headers=more)


async def count(face: Face, call: Call) -> Answer:
    """POST /runs/crons/count"""
    return json_reply(await face.engine.crons.count(call.principal, _filter(face, call.read(CronCount))))


async def run_of(face: Face, cron: Cron) -> RunRequest:
    """What a cron's runs are opened with. Raises ``InputInvalid``, ``AgentNotFound``."""
    body: dict[str, Json] = {**cron.payload, "assistant_id": cron.assistant_id}
    body["metadata"] = {**cron.metadata, "cron_id": cron.id}
    if cron.on_run_completed == "delete":
        body["on_completion"] = "delete"
    try:
        asked = SdkRunCreate.model_validate({name: value for name, value in body.items() if value is not None})
    except ValidationError as error:
        raise problems_of(error, "body") from None
    request = await sdk_request(face, Principal(cron.tenant, cron.subject), asked, cron.thread_id)
    return replace(request, thread_metadata={**request.thread_metadata, "cron_id": cron.id})


def _payload(body: Mapping[str, Json]) -> dict[str, Json]:
    return {name: body[name] for name in RUN_FIELDS if body.get(name) is not None}


def _filter(face: Face, asked: CronCount) -> CronFilter:
    named = asked.assistant_id
    if named is not None and named in face.engine.agents:
        named = own_assistant_id(named)
    return CronFilter(named, asked.thread_id, asked.enabled, asked.metadata or None)


def _id(call: Call) -> str:
    name = call.path("cron_id")
    if not is_uuid(name):
        raise InputInvalid("cron_id must be a UUID.", ({"field": "cron_id", "problem": "must be a UUID"},))
    return name


def _micros(at: datetime | None) -> int | None:
    return None if at is None else (at - _EPOCH) // timedelta(microseconds=1)
