"""What a face asks of the engine: plain values, no wire types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from dragoman.engine.cron_settings import CronSettings
from dragoman.memory.frozen import maker
from dragoman.memory.model import Json, ThreadPolicy
from dragoman.memory.outbox import NewDelivery
from dragoman.memory.setup import RunSetup

__all__ = ["UNSET", "EngineSettings", "RunRequest", "Unset", "run_request"]


class Unset:
    """The absence of a value, where None is a value."""

    def __bool__(self) -> bool:
        return False


UNSET = Unset()


@dataclass(frozen=True, slots=True)
class RunRequest:
    """A run to open.

    ``input`` is structured and checked against the agent's schema. ``text`` is prose: it fills an agent that takes one
    string; an agent with more fields is opened with it, and the missing fields are asked for as an interrupt. With
    both, ``text`` is the message that came with the input. ``message`` is the message as the face wants it back
    (``{"role", "content", "id", "parts"}``); None makes one from the text. ``wait`` says that the caller waits in this
    process, so that the run is born claimed and not queued. ``deliveries`` tell its log to others from the first event
    on; whose and which run's they are is filled in. ``setup`` is kept with the run. ``priority`` is one of
    ``PRIORITIES``; without it the one that ``metadata`` has as ``dragoman/priority``, or the agent's.
    """

    agent: str
    input: Json | Unset = UNSET
    text: str | None = None
    message: Mapping[str, Json] | None = None
    thread_id: str | None = None
    create_thread: bool = True
    thread_metadata: Mapping[str, Json] = field(default_factory=dict[str, Json])
    policy: ThreadPolicy = ThreadPolicy.ENQUEUE
    idempotency_key: str | None = None
    metadata: Mapping[str, Json] = field(default_factory=dict[str, Json])
    delay: float = 0.0
    wait: bool = True
    deliveries: Sequence[NewDelivery] = ()
    setup: RunSetup | None = None
    priority: int | None = None


run_request = maker(RunRequest)
"""Makes one; a face does so for every run."""


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """How the engine behaves. Times are seconds.

    ``concurrency`` bounds the runs driven at once here, ``reserve`` of them being for tenants that have none at work
    here; ``tenant_concurrency`` bounds those of a tenant on all servers together. ``queue_limit`` and
    ``tenant_queue_limit`` bound those that wait, past which a submission is refused. ``run_timeout`` bounds one
    activation of a run. ``flush_interval`` is how long events are gathered before a commit. ``grace`` is what a stop
    gives running runs to finish before they are handed back.
    ``open_late`` lets a run that only its caller knows of be written once, when it ends, if that is before its first
    step and within 20 ms; otherwise it is opened first, as any other. ``crons``: see ``CronSettings``.
    """

    concurrency: int = 64
    reserve: int = 0
    tenant_concurrency: int | None = None
    queue_limit: int = 10_000
    tenant_queue_limit: int = 1000
    lease: float = 30.0
    run_timeout: float = 3600.0
    flush_interval: float = 0.02
    grace: float = 10.0
    max_crashes: int = 10
    subscriber_buffer: int = 1024
    short_sleep: float = 1.0
    open_late: bool = True
    crons: CronSettings = field(default_factory=CronSettings)
