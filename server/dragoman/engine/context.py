"""The Context that agents are handed, over a lease, a journal and a recorder.

Implements ``dragoman.agents.Context``. Decides nothing about runs: it journals, asks, blocks; the driver commits the
end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import TypeAdapter

from dragoman.agents.calls import Level
from dragoman.agents.context import Approval, Context, Store
from dragoman.agents.errors import InterruptExpired, Misuse
from dragoman.agents.policy import CrashPolicy, Retry
from dragoman.agents.remote import RemoteMessage, RemoteResult, short_name
from dragoman.agents.signature import schema_of
from dragoman.agents.tool import Tool
from dragoman.engine import children, remote
from dragoman.engine.journal import Journal, digest_of
from dragoman.engine.parking import Parking
from dragoman.engine.pauses import paused
from dragoman.engine.ports import Activity, Host
from dragoman.engine.recorder import Recorder
from dragoman.engine.steps import Call, current_step, default_retry, describe, do_step
from dragoman.engine.store import JournaledStore
from dragoman.memory.codec import dumps
from dragoman.memory.ids import now_micros, short_digest
from dragoman.memory.ledger import NewArtifact, NewEvent, NewInterrupt, NewStep
from dragoman.memory.model import InterruptKind, InterruptStatus, Json, Principal, Run, StepStatus

__all__ = ["APPEND", "APPROVAL_SCHEMA", "RunContext"]

T = TypeVar("T")

APPEND = "append"
"""The key of the step that appends messages."""

APPROVAL_SCHEMA: Mapping[str, Json] = {
    "type": "object",
    "properties": {"approved": {"type": "boolean"}, "comment": {"type": "string"}},
    "required": ["approved"],
    "additionalProperties": False,
}


class RunContext(Activity):
    """One activation's Context."""

    def __init__(self, engine: Host, run: Run, journal: Journal, recorder: Recorder, park: Callable[[], None]) -> None:
        self.engine = engine
        self.run = run
        self.journal = journal
        self.recorder = recorder
        self.parking = Parking(park)
        self.was_torn = run.crashes > 0
        self.cancel_requested = False
        self._counted = 0
        self._values: dict[str, Json] | None = None
        self._updates: dict[str, Json] = {}
        self._appended: list[Mapping[str, Json]] = []
        self.opened_conversation = run.interrupts > 0 or APPEND in journal.steps

    # -- who and where ------------------------------------------------------------------------------------------------
    @property
    def run_id(self) -> str:
        return self.run.id

    @property
    def thread_id(self) -> str:
        return self.run.thread_id

    @property
    def attempt(self) -> int:
        return self.run.attempt

    @property
    def principal(self) -> Principal:
        return Principal(self.run.tenant, self.run.subject, frozenset())

    @property
    def metadata(self) -> Mapping[str, Json]:
        return self.run.metadata

    @property
    def cancelled(self) -> bool:
        return self.cancel_requested

    @property
    def config(self) -> Mapping[str, Json]:
        return self.run.setup.config if self.run.setup is not None else {}

    @property
    def context(self) -> Mapping[str, Json]:
        return self.run.setup.context if self.run.setup is not None else {}

    @property
    def idempotency_key(self) -> str:
        frame = current_step.get()
        return self.run.id if frame is None or frame.run_id != self.run.id else f"{self.run.id}:{frame.key}"

    @property
    def store(self) -> Store:
        return JournaledStore(self)

    # -- durable work -------------------------------------------------------------------------------------------------
    def step(
        self,
        fn: Callable[..., Awaitable[T]],
        /,
        *args: Any,
        key: str | None = None,
        retry: Retry | None = None,
        timeout: float | None = None,
        on_crash: CrashPolicy | None = None,
        **kwargs: Any,
    ) -> Awaitable[T]:
        self.outside_steps("step")
        name, takes_context, returns = describe(fn)
        given = (self, *args) if takes_context and not (args and isinstance(args[0], Context)) else args
        plain = args[1:] if args and isinstance(args[0], Context) else args
        call = Call(
            key=self.journal.name(key or name),
            invoke=lambda: fn(*given, **kwargs),
            returns=returns,
            digest="" if key is not None else digest_of(plain, kwargs),
            retry=retry or default_retry(fn),
            timeout=timeout if timeout is not None else (fn.timeout if isinstance(fn, Tool) else None),
            on_crash=on_crash or (fn.on_crash if isinstance(fn, Tool) else "retry"),
            tool=name if isinstance(fn, Tool) else "",
        )
        setup = self.run.setup
        if setup is None or not (setup.pause_before or setup.pause_after):
            return do_step(self, call)
        return paused(self, setup, key or name, call.key, lambda: do_step(self, call))

    async def gather(self, *steps: Awaitable[Any]) -> list[Any]:
        tasks = [asyncio.ensure_future(step) for step in steps]
        try:
            return await asyncio.gather(*tasks)
        except BaseException:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            raise

    async def interrupt(
        self,
        message: str,
        *,
        kind: InterruptKind = InterruptKind.INPUT,
        schema: Mapping[str, Json] | type[Any] | None = None,
        payload: Json = None,
        key: str | None = None,
        timeout: float | None = None,
    ) -> Any:
        self.outside_steps("interrupt")
        adapter: TypeAdapter[Any] | None = None
        if schema is None:
            wanted: Mapping[str, Json] = APPROVAL_SCHEMA if kind is InterruptKind.APPROVAL else {"type": "string"}
        elif isinstance(schema, Mapping):
            wanted = schema
        else:
            adapter = TypeAdapter(schema)
            wanted = schema_of(adapter)
        name = self.journal.name(key or kind.value)
        known = self.journal.interrupts.get(name)
        if known is not None and known.status is InterruptStatus.ANSWERED:
            return known.answer if adapter is None else adapter.validate_python(known.answer)
        if known is not None and known.status is InterruptStatus.EXPIRED:
            raise InterruptExpired(f"Nobody answered {name!r} in time.")
        expires = now_micros() + int(timeout * 1e6) if timeout is not None else None
        if known is not None and known.expires_at is not None:
            expires = known.expires_at
        await self.parking.on_interrupt(NewInterrupt(name, kind, message, wanted, payload, expires))

    async def ask(
        self,
        message: str,
        *,
        choices: Sequence[str] | None = None,
        key: str | None = None,
        timeout: float | None = None,
    ) -> str:
        schema: dict[str, Json] = {"type": "string"}
        if choices is not None:
            schema["enum"] = list(choices)
        return str(await self.interrupt(message, schema=schema, key=key, timeout=timeout))

    async def approve(
        self, message: str, *, payload: Json = None, key: str | None = None, timeout: float | None = None
    ) -> Approval:
        answer: Approval = await self.interrupt(
            message, kind=InterruptKind.APPROVAL, schema=Approval, payload=payload, key=key, timeout=timeout
        )
        return answer

    async def sleep(self, seconds: float, *, key: str | None = None) -> None:
        self.outside_steps("sleep")
        name = self.journal.name(key or "sleep")
        row = self.journal.step(name, "")
        if row is not None:
            until = int(row.result["until"])
        else:
            until = now_micros() + int(max(seconds, 0.0) * 1e6)
            self.parking.begin()
            try:
                await self.recorder.write(steps=[NewStep(name, StepStatus.STARTED, result={"until": until})])
            finally:
                self.parking.end()
        left = (until - now_micros()) / 1e6
        if left > self.engine.settings.short_sleep:
            await self.parking.on_time(until)
        self.parking.begin()
        try:
            await asyncio.sleep(left)
        finally:
            self.parking.end()

    async def call(self, agent: str, input: Json = None, *, text: str | None = None, key: str | None = None) -> Json:
        self.outside_steps("call")
        name = self.journal.name(key or f"call:{agent}")
        setup = self.run.setup
        if setup is None:
            return await children.call(self, name, agent, input, text)
        return await paused(self, setup, agent, name, lambda: children.call(self, name, agent, input, text))

    async def remote(
        self,
        peer: str,
        input: Json = None,
        *,
        text: str | None = None,
        context_id: str = "",
        key: str | None = None,
        timeout: float | None = None,
        patience: float = 600.0,
    ) -> RemoteResult:
        self.outside_steps("remote")
        name = self.journal.name(key or f"remote:{short_name(peer)}")
        if isinstance(input, str) and text is None:
            input, text = None, input
        message = RemoteMessage(f"{self.run.id}:{name}", text, input, context_id)
        return await remote.call(self, name, peer, message, timeout, patience)

    # -- what others see ----------------------------------------------------------------------------------------------
    async def emit(self, name: str, data: Json = None) -> None:
        dumps(data)  # what is no JSON is the agent's mistake, told where it was made
        await self._note("custom", {"name": name, "data": data})

    async def progress(self, progress: float, total: float | None = None, message: str | None = None) -> None:
        data: dict[str, Json] = {"progress": progress}
        if total is not None:
            data["total"] = total
        if message is not None:
            data["message"] = message
        await self._note("progress", data)

    async def log(self, message: Json, *, level: Level = "info", logger: str | None = None) -> None:
        dumps(message)
        data: dict[str, Json] = {"level": level, "data": message}
        if logger is not None:
            data["logger"] = logger
        await self._note("log", data)

    async def detach(self, retry: float = 1.0) -> None:
        await self._note("detach", {"retry": retry})

    async def stream_text(self, text: str) -> None:
        await self._note("text", {"text": text})

    async def artifact(self, name: str, data: str | bytes | Json, *, mime_type: str | None = None) -> str:
        if isinstance(data, bytes):
            raw, mime = data, "application/octet-stream"
        elif isinstance(data, str):
            raw, mime = data.encode(), "text/plain"
        else:
            raw, mime = dumps(data), "application/json"
        identity = short_digest(self.run.id, name)
        if self._replayed():
            return identity
        counted = current_step.get() is None
        self.recorder.keep(NewArtifact(identity, name, mime_type or mime, raw), counted=counted)
        return identity

    # -- the conversation ---------------------------------------------------------------------------------------------
    async def values(self) -> Mapping[str, Json]:
        if self._values is None:
            self._values = dict(await self.engine.base_values(self.run))
        merged = {**self._values, **self._updates}
        return {k: v for k, v in merged.items() if v is not None}

    async def messages(self) -> Sequence[Mapping[str, Json]]:
        earlier: Sequence[Mapping[str, Json]] = (await self.values()).get("messages") or []
        return [*earlier, *opening_message(self.run), *self._appended]

    async def append(self, *messages: Mapping[str, Json]) -> None:
        self.outside_steps("append")
        name = self.journal.name(APPEND)
        known = self.journal.step(name, "")
        if known is None:
            new = [_message(given, f"{self.run.id}:{name}:{n}") for n, given in enumerate(messages)]
            opening = [] if self.opened_conversation else opening_message(self.run)
            self.opened_conversation = True
            self.parking.begin()
            try:
                step = NewStep(name, StepStatus.FINISHED, result=new)
                await self.recorder.write(steps=[step], messages=[*opening, *new])
            finally:
                self.parking.end()
            self._appended += new
        else:
            self._appended += known.result

    async def update(self, values: Mapping[str, Json]) -> None:
        if "messages" in values:
            raise Misuse("The thread's messages are appended to by the run itself; update other keys.")
        dumps(dict(values))
        self._updates.update(values)
        if not self._replayed():
            self.recorder.set(values, counted=current_step.get() is None)

    # -- inside -------------------------------------------------------------------------------------------------------
    def outside_steps(self, what: str) -> None:
        """Raise ``Misuse`` inside of a step."""
        frame = current_step.get()
        if frame is not None and frame.run_id == self.run.id:
            raise Misuse(
                f"ctx.{what} was called inside of the step {frame.key!r}; a step is one unit and journals nothing."
            )

    async def _note(self, type: str, data: dict[str, Json]) -> None:
        if self._replayed():
            return
        frame = current_step.get()
        if frame is not None:
            data["step"] = frame.key
        self.recorder.note(NewEvent(type, data), counted=frame is None)
        if self.recorder.crowded:
            await self.recorder.flush()

    def _replayed(self) -> bool:
        """Whether the agent's next event outside of steps was committed by an earlier activation."""
        if current_step.get() is not None:
            return False
        self._counted += 1
        return self._counted <= self.run.emitted


def _message(given: Mapping[str, Json], identity: str) -> dict[str, Json]:
    if not isinstance(given.get("role"), str) or "content" not in given:
        raise Misuse("A message is an object with a role and content.")
    made = {"id": identity, **given}
    dumps(made)
    return made


def opening_message(run: Run) -> list[Mapping[str, Json]]:
    """The message that opened a run; one made from its structured input where there was none."""
    if run.message is not None:
        return [run.message]
    if run.input is None or run.input == {}:
        return []
    return [{"role": "user", "content": dumps(run.input).decode(), "id": f"{run.id}:in"}]
