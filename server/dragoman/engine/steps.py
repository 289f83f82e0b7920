"""Doing a step: once, journaled, with retries, a time-out, and a policy for the crash that hides whether it
happened."""

from __future__ import annotations

import asyncio
import inspect
import logging
import typing
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from types import FunctionType
from typing import Any, cast
from weakref import WeakKeyDictionary

from pydantic import TypeAdapter, ValidationError

from dragoman.agents.context import Context
from dragoman.agents.errors import Misuse, StepFailed, StepTimeout
from dragoman.agents.policy import NO_RETRY, CrashPolicy, Retry
from dragoman.agents.signature import problems_of
from dragoman.agents.tool import Tool
from dragoman.engine.journal import failure_of, revive
from dragoman.engine.ports import Activity
from dragoman.memory.ledger import NewEvent, NewStep
from dragoman.memory.model import InterruptKind, Json, Step, StepStatus

__all__ = ["Call", "StepFrame", "current_step", "describe", "do_step"]

_log = logging.getLogger("dragoman.engine")
_PLAIN = (str, int, float, bool, type(None))
_adapters: dict[Any, TypeAdapter[Any]] = {}
# Reading a function's annotations costs more than the rest of a step.
_known: WeakKeyDictionary[FunctionType, tuple[bool, TypeAdapter[Any] | None]] = WeakKeyDictionary()

_CRASH_SCHEMA: Mapping[str, Json] = {
    "type": "object",
    "properties": {
        "decision": {
            "type": "string",
            "enum": ["retry", "done", "fail"],
            "description": "retry: do it again; done: it happened, go on with result; fail: fail the step",
        },
        "result": {"description": "what the step gave, where the decision is done"},
    },
    "required": ["decision"],
    "additionalProperties": False,
}


@dataclass(frozen=True, slots=True)
class StepFrame:
    """The step that the current task is in."""

    run_id: str
    key: str


current_step: ContextVar[StepFrame | None] = ContextVar("dragoman_step", default=None)


@dataclass(frozen=True, slots=True)
class Call:
    """A step to do: the call, bound, and how. ``tool`` is the name of the tool that it is, if it is one."""

    key: str
    invoke: Callable[[], Awaitable[Any]]
    returns: TypeAdapter[Any] | None
    digest: str
    retry: Retry
    timeout: float | None
    on_crash: CrashPolicy
    tool: str = ""


def describe(fn: Callable[..., Any]) -> tuple[str, bool, TypeAdapter[Any] | None]:
    """A function's name for the journal, whether it takes a Context, and the type of its result if it tells."""
    if isinstance(fn, Tool):
        tool = cast("Tool[..., Any]", fn)
        return tool.name, tool.signature.takes_context, tool.signature.returns
    name = getattr(fn, "__name__", type(fn).__name__)
    if not isinstance(fn, FunctionType):  # others may be equal and not the same, or go away while one looks
        return name, *_inspected(fn)
    known = _known.get(fn)
    if known is None:
        known = _inspected(fn)
        if known[1] is not None or not fn.__annotations__:  # else what they name may be there later
            _known[fn] = known
    return name, *known


def _inspected(fn: Callable[..., Any]) -> tuple[bool, TypeAdapter[Any] | None]:
    try:
        hints = typing.get_type_hints(fn)
    except Exception:
        hints = {}
    first = next(iter(inspect.signature(fn).parameters), None)
    wanted = hints.get(first) if first is not None else None
    takes_context = isinstance(wanted, type) and issubclass(wanted, Context)
    if "return" not in hints or hints["return"] is Any:
        return takes_context, None
    annotation = hints["return"]
    try:
        adapter = _adapters.get(annotation)
    except TypeError:
        return takes_context, TypeAdapter(annotation)
    if adapter is None:
        adapter = _adapters[annotation] = TypeAdapter(annotation)
    return takes_context, adapter


def _to_json(call: Call, result: Any) -> Json:
    if type(result) in _PLAIN:
        return result
    adapter = call.returns or TypeAdapter(Any)
    try:
        return adapter.dump_python(adapter.validate_python(result) if call.returns else result, mode="json")
    except ValidationError as error:
        raise problems_of(error, f"result of step {call.key}") from None
    except ValueError as error:
        raise Misuse(
            f"The result of step {call.key!r} is no JSON ({error}); annotate the function's return type."
        ) from None


def _from_json(call: Call, value: Json) -> Any:
    return value if call.returns is None else call.returns.validate_python(value)


async def do_step(ctx: Activity, call: Call) -> Any:
    """Answer from the journal, or do it and journal it."""
    step = ctx.journal.step(call.key, call.digest)
    if step is not None and step.status is StepStatus.FINISHED:
        return _from_json(call, step.result)
    if step is not None and step.status is StepStatus.FAILED and step.failure is not None:
        raise revive(step.failure)
    if step is not None:
        settled = await _after_crash(ctx, call, step)
        if settled is not None:
            return _from_json(call, settled.result)
    with _working(ctx):
        return await _first_time(ctx, call)


@contextmanager
def _working(ctx: Activity) -> Generator[None]:
    ctx.parking.begin()
    try:
        yield
    finally:
        ctx.parking.end()


async def _first_time(ctx: Activity, call: Call) -> Any:
    await ctx.recorder.ensure_open()  # a side effect may be next: what is done is done by a run that is on disk
    begun = {"step": call.key, "tool": call.tool} if call.tool else {"step": call.key}
    ctx.recorder.note(NewEvent("step.started", begun), soon=False)
    if call.on_crash != "retry":
        row = NewStep(call.key, StepStatus.STARTED, call.digest, result={"attempt": ctx.attempt})
        await ctx.recorder.write(steps=[row])
    elif ctx.attempt > 1 and ctx.was_torn:
        ctx.recorder.note(NewEvent("step.retried", {"step": call.key, "reason": "crash", "try": 1}), soon=False)
    try:
        result = await _tries(ctx, call)
        value = _to_json(call, result)
    except Exception as error:
        await ctx.recorder.write(steps=[NewStep(call.key, StepStatus.FAILED, call.digest, failure=failure_of(error))])
        raise
    await ctx.recorder.write(steps=[NewStep(call.key, StepStatus.FINISHED, call.digest, value)])
    return result if type(result) in _PLAIN else _from_json(call, value)


async def _tries(ctx: Activity, call: Call) -> Any:
    if call.retry.attempts == 1:
        return await _one_try(ctx, call)
    async for number in _attempts(call.retry):
        with number as attempt:
            if attempt > 1:
                ctx.recorder.note(NewEvent("step.retried", {"step": call.key, "reason": "error", "try": attempt}))
            return await _one_try(ctx, call)
    raise StepFailed(f"The step {call.key!r} was not tried.")  # unreachable: the last attempt raises


async def _attempts(retry: Retry) -> AsyncIterator[typing.ContextManager[int]]:
    import stamina  # imported when a step retries: it is not needed to start

    context = stamina.retry_context(
        on=retry.on,
        attempts=retry.attempts,
        timeout=None,
        wait_initial=retry.wait_initial,
        wait_max=retry.wait_max,
        wait_jitter=retry.wait_jitter,
    )
    async for attempt in context:
        yield _numbered(attempt)


@contextmanager
def _numbered(attempt: Any) -> Generator[int]:
    with attempt:
        yield attempt.num


async def _one_try(ctx: Activity, call: Call) -> Any:
    token = current_step.set(StepFrame(ctx.run_id, call.key))
    try:
        if call.timeout is None:
            return await call.invoke()
        limit = asyncio.timeout(call.timeout)
        try:
            async with limit:
                return await call.invoke()
        except TimeoutError:
            if not limit.expired():
                raise
            raise StepTimeout(f"The step {call.key!r} took longer than its time-out of {call.timeout:g} s.") from None
    finally:
        current_step.reset(token)


async def _after_crash(ctx: Activity, call: Call, step: Step) -> Step | None:
    """A step that had started when its process died. None: do it again; else the step as it now is."""
    row: Mapping[str, Json] = step.result or {}
    started = row.get("attempt", 0)
    if started == ctx.attempt or call.on_crash == "retry":
        return None
    if call.on_crash == "ask":
        answer = await ctx.interrupt(
            f"A crash hides whether the step {call.key!r} happened. Do it again, go on as done, or fail?",
            kind=InterruptKind.APPROVAL,
            schema=_CRASH_SCHEMA,
            payload={"step": call.key, "idempotency_key": f"{ctx.run_id}:{call.key}"},
            key=f"{call.key}!{started}",
        )
        if answer["decision"] == "retry":
            return None
        if answer["decision"] == "done":
            return await _settle(ctx, NewStep(call.key, StepStatus.FINISHED, call.digest, answer.get("result")))
    error = StepFailed(
        f"The process died while the step {call.key!r} was at work, and whether it happened is not known."
    )
    await _settle(ctx, NewStep(call.key, StepStatus.FAILED, call.digest, failure=failure_of(error)))
    raise error


async def _settle(ctx: Activity, row: NewStep) -> Step:
    with _working(ctx):
        await ctx.recorder.write(steps=[row])
    return Step(ctx.run_id, row.key, row.status, row.digest, row.result, row.failure)


def default_retry(fn: Callable[..., Any]) -> Retry:
    """A tool's own retries; none for a plain function."""
    return (fn.retry or NO_RETRY) if isinstance(fn, Tool) else NO_RETRY
