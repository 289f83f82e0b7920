"""From the body that opens a run, on either surface, to what the engine is asked: a new run, or one to go on with.

``command.resume`` goes on with a waiting run of the thread: the same run, with its id. Nothing is opened when the
body is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dragoman.agent_protocol.answers import Resumption, only_answer, resumption
from dragoman.agent_protocol.endpoint import Call
from dragoman.agent_protocol.face import Face
from dragoman.agent_protocol.inputs import given
from dragoman.agent_protocol.options import RunOptions
from dragoman.agent_protocol.sse import Position
from dragoman.agent_protocol.surface import Surface, named_by_body
from dragoman.agent_protocol.unkept import refuse, refuse_run
from dragoman.agent_protocol.wire import Command, Resume, RunCreate
from dragoman.agent_protocol.wire_sdk import SdkRunCreate
from dragoman.engine import RunRequest, run_request
from dragoman.engine.assistants import own_assistant_id
from dragoman.memory.errors import InputInvalid
from dragoman.memory.frozen import maker
from dragoman.memory.model import Json, Principal, Run, ThreadPolicy

__all__ = ["NewRun", "OldRun", "answer", "opening", "sdk_request"]


@dataclass(frozen=True, slots=True)
class NewRun:
    """A run to open."""

    request: RunRequest
    modes: list[str]
    cancel_on_leave: bool
    subgraphs: bool = False


_new_run = maker(NewRun)


@dataclass(frozen=True, slots=True)
class OldRun:
    """A run that has been answered and goes on; ``after`` is where the thread stood before."""

    run: Run
    modes: list[str]
    cancel_on_leave: bool
    after: Position
    subgraphs: bool = False


async def opening(face: Face, call: Call) -> NewRun | OldRun:
    """Read the body, and tell the call which surface it speaks. Raises ``InputInvalid``, ``AgentNotFound``,
    ``Conflict``."""
    body = call.body()
    call.surface = named_by_body(body, Surface.AGENT_PROTOCOL)
    thread_id = await face.thread_id(call) if "thread_id" in call.scope["path_params"] else None
    if call.surface is Surface.LANGGRAPH:
        return await _sdk(face, call, body, thread_id)
    return await _agent_protocol(face, call, body, thread_id)


async def _agent_protocol(face: Face, call: Call, body: dict[str, Json], thread_id: str | None) -> NewRun | OldRun:
    asked = call.read(RunCreate, body)
    modes = [str(mode) for mode in asked.stream_mode]
    refuse_run(body)
    leave = asked.on_disconnect == "cancel"
    if thread_id is None and asked.thread_id is not None:
        thread_id = await face.checked_thread_id(call, asked.thread_id)
    if asked.command is not None:
        run, after = await _resume(face, call, body, asked.command, thread_id)
        return OldRun(run, modes, leave, after)
    agent = face.agent(asked.agent_id)
    read = given(agent, asked.input, asked.messages)
    request = run_request(
        agent=agent.name,
        input=read.input,
        text=read.text,
        message=read.message,
        thread_id=thread_id,
        create_thread=thread_id is None or asked.if_not_exists == "create",
        metadata=RunOptions.of_modes(modes).within(asked.metadata),
    )
    return _new_run(request, modes, leave)


async def _sdk(face: Face, call: Call, body: dict[str, Json], thread_id: str | None) -> NewRun | OldRun:
    asked = call.read(SdkRunCreate, body)
    modes = [str(mode) for mode in asked.stream_mode]
    refuse_run(body)
    leave = asked.on_disconnect == "cancel"
    if asked.command is not None:
        await face.engine.assistants.get(call.principal, asked.assistant_id)
        run, after = await _resume(face, call, body, asked.command, thread_id)
        return OldRun(run, modes, leave, after, asked.stream_subgraphs)
    request = await sdk_request(face, call.principal, asked, thread_id)
    return NewRun(request, modes, leave, asked.stream_subgraphs)


async def sdk_request(face: Face, principal: Principal, asked: SdkRunCreate, thread_id: str | None) -> RunRequest:
    """The run that a body of the SDK asks for, once it has been read; a cron's runs are opened by it too. Raises
    ``InputInvalid``, ``AgentNotFound``."""
    assistant = await face.engine.assistants.get(principal, asked.assistant_id)
    agent = face.agent(assistant.agent)
    read = given(agent, asked.input)
    special = "" if assistant.id == own_assistant_id(agent.name) else assistant.id
    options = RunOptions(
        tuple(str(mode) for mode in asked.stream_mode), asked.multitask_strategy, special, asked.stream_subgraphs
    )
    return RunRequest(
        agent=agent.name,
        input=read.input,
        text=read.text,
        message=read.message,
        thread_id=thread_id,
        create_thread=thread_id is None or asked.if_not_exists == "create",
        thread_metadata={"graph_id": agent.name, "assistant_id": assistant.id},
        policy=ThreadPolicy(asked.multitask_strategy),
        metadata=options.within(asked.metadata),
        delay=asked.after_seconds,
    )


# -- answers ----------------------------------------------------------------------------------------------------------
async def answer(face: Face, call: Call, run: Run, body: dict[str, Json]) -> Run:
    """POST /runs/{run_id}/resume: answer by key or id of the question, or the only one. Raises ``InputInvalid``,
    ``Conflict``."""
    asked = call.read(Resume, body)
    if ("answers" in body) == ("answer" in body):
        raise _wrong("answers", "give either answers, by key or id of the question, or answer")
    if asked.answers is not None:
        return await face.engine.answer(call.principal, run.id, asked.answers)
    return await _go_on(face, call, only_answer(await face.engine.view(call.principal, run.id), asked.answer))


async def _resume(
    face: Face, call: Call, body: Mapping[str, Json], command: Command, thread_id: str | None
) -> tuple[Run, Position]:
    if command.update is not None:
        raise refuse("command.update", "update the thread's state before the run")
    if command.goto is not None:
        raise refuse("command.goto", "an agent is one node")
    if "resume" not in body["command"]:
        raise _wrong("command.resume", "Field required")
    if body.get("input") is not None or body.get("messages"):
        raise _wrong("input", "a resume takes no input")
    if thread_id is None:
        raise _wrong("thread_id", "command.resume needs the thread whose run waits")
    thread = await face.engine.thread(call.principal, thread_id)
    waiting = [view for view in await face.active(call, thread_id) if view.open_interrupts]
    run = await _go_on(face, call, resumption(waiting, command.resume))
    return run, Position(thread.last_seq)


async def _go_on(face: Face, call: Call, meant: Resumption) -> Run:
    if meant.text is not None:
        return await face.engine.answer_text(call.principal, meant.run_id, meant.text)
    return await face.engine.answer(call.principal, meant.run_id, meant.answers)


def _wrong(field: str, problem: str) -> InputInvalid:
    return InputInvalid(f"Invalid body: {field}: {problem}.", ({"field": field, "problem": problem},))
