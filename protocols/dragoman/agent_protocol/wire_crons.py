"""Request bodies of the LangGraph SDK's crons (``langgraph-sdk`` 0.4.14, CronClient), as pydantic models.

What a cron's runs are opened with is read as the body of a run (``wire_sdk.SdkRunCreate``).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field

from dragoman.agent_protocol.wire import Body, Fields, Limit, Object, Offset

__all__ = ["RUN_FIELDS", "CronCount", "CronCreate", "CronPatch", "CronSearch"]

RUN_FIELDS: Final = (
    "input",
    "config",
    "context",
    "webhook",
    "interrupt_before",
    "interrupt_after",
    "multitask_strategy",
    "stream_mode",
    "stream_subgraphs",
    "stream_resumable",
    "durability",
    "checkpoint_during",
)
"""What a cron hands on to its runs."""


def _in_utc(value: datetime) -> datetime:
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value


Moment = Annotated[datetime, Field(strict=False), AfterValidator(_in_utc)]
Schedule = Annotated[str, Field(min_length=1, max_length=256)]
Timezone = Annotated[str, Field(min_length=1, max_length=64)]


class CronCreate(Body):
    """POST /runs/crons and /threads/{thread_id}/runs/crons; the run's own fields are read with the run."""

    assistant_id: str
    schedule: Schedule
    timezone: Timezone | None = None
    end_time: Moment | None = None
    enabled: bool = True
    on_run_completed: Literal["delete", "keep"] | None = None
    metadata: Fields


class CronPatch(Body):
    """PATCH /runs/crons/{cron_id}; a null ``end_time`` takes the end away."""

    nullable = frozenset({"end_time"})

    schedule: Schedule | None = None
    timezone: Timezone | None = None
    end_time: Moment | None = None
    enabled: bool | None = None
    on_run_completed: Literal["delete", "keep"] | None = None
    metadata: Object | None = None
    input: Any = None


class CronCount(Body):
    """POST /runs/crons/count"""

    assistant_id: str | None = None
    thread_id: str | None = None
    enabled: bool | None = None
    metadata: Fields


class CronSearch(CronCount):
    """POST /runs/crons/search"""

    limit: Limit = 10
    offset: Offset = 0
    sort_by: (
        Literal["cron_id", "assistant_id", "thread_id", "created_at", "updated_at", "next_run_date", "end_time"] | None
    ) = None
    sort_order: Literal["asc", "desc"] = "desc"
    select: list[str] | None = None
