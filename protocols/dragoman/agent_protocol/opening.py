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
from dragoman.agent_protocol.narrow import is_list, is_object
from dragoman.agent_protocol.options import RunOptions
from dragoman.agent_protocol.revising import command_update
from dragoman.agent_protocol.setups import agent_protocol_setup, sdk_setup
from dragoman.agent_protocol.sse import Position
from dragoman.agent_protocol.surface import Surface, named_by_body
from dragoman.agent_protocol.unkept import refuse
from dragoman.agent_protocol.webhooks import add_webhook, check_webhook, webhook_of
from dragoman.agent_protocol.wire import Command, Resume, RunCreate
from dragoman.agent_protocol.wire_sdk import SdkRunCreate
from dragoman.engine import RunRequest, run_request
from dragoman.engine.assistants import own_assistant_id
from dragoman.engine.pauses import is_pause
from dragoman.memory.errors import InputInvalid
from dragoman.memory.frozen import maker
from dragoman.memory.model import Json, Principal, Run, ThreadPolicy, ThreadStatus

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
    await check_webhook(face.engine, asked.webhook)
    leave = asked.on_disconnect == "cancel"
    if thread_id is None and asked.thread_id is not None:
        thread_id = await face.checked_thread_id(call, asked.thread_id)
    if asked.command is not None and _is_answer(asked.command, body):
        run, after = await _resume(face, call, body, asked.command, thread_id)
        await add_webhook(face.engine, run, asked.webhook, call.surface, after.seq)
        return OldRun(run, modes, leave, after)
    if asked.command is not None:
        raise _wrong("command.resume", "Field required")
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
        setup=agent_protocol_setup(asked),
        deliveries=webhook_of(asked.webhook, Surface.AGENT_PROTOCOL),
    )
    return _new_run(request, modes, leave)


async def _sdk(face: Face, call: Call, body: dict[str, Json], thread_id: str | None) -> NewRun | OldRun:
    asked = call.read(SdkRunCreate, body)
    modes = [str(mode) for mode in asked.stream_mode]
    await check_webhook(face.engine, asked.webhook)
    leave = asked.on_disconnect == "cancel"
    goes_on: tuple[Run, Position] | None = None
    if asked.command is not None:
        assistant = await face.engine.assistants.get(call.principal, asked.assistant_id)
        if _is_answer(asked.command, body):
            goes_on = await _resume(face, call, body, asked.command, thread_id)
        else:
            asked = await _directed(face, call, asked, asked.command, assistant.agent, thread_id)
    elif asked.input is None and thread_id is not None:
        goes_on = await _from_pause(face, call, thread_id)
    if goes_on is not None:
        await add_webhook(face.engine, goes_on[0], asked.webhook, call.surface, goes_on[1].seq)
        return OldRun(goes_on[0], modes, leave, goes_on[1], asked.stream_subgraphs)
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
    return run_request(
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
        setup=await sdk_setup(face, principal, asked, assistant, thread_id),
        deliveries=webhook_of(asked.webhook, Surface.LANGGRAPH),
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
    if command.goto is not None:
        raise refuse("command.goto", "with resume the run goes on where it waits")
    if body.get("input") is not None or body.get("messages"):
        raise _wrong("input", "a resume takes no input")
    if thread_id is None:
        raise _wrong("thread_id", "command.resume needs the thread whose run waits")
    thread = await face.engine.thread(call.principal, thread_id)
    waiting = [view for view in await face.active(call, thread_id) if view.open_interrupts]
    meant = resumption(waiting, command.resume)
    if command.update is not None:
        await face.engine.revise_thread(call.principal, thread_id, [command_update(command.update)])
    return await _go_on(face, call, meant), Position(thread.last_seq)


def _is_answer(command: Command, body: Mapping[str, Json]) -> bool:
    """Whether a command answers; ``resume`` may be null."""
    return "resume" in body["command"] and (command.resume is not None or command.goto is None)


async def _from_pause(face: Face, call: Call, thread_id: str) -> tuple[Run, Position] | None:
    """A run without input goes on from where its thread's run was paused by its caller, as in LangGraph."""
    thread = await face.engine.thread(call.principal, thread_id)
    if thread.status is not ThreadStatus.INTERRUPTED:
        return None
    for view in await face.active(call, thread_id):
        asked = view.open_interrupts
        if asked and all(is_pause(question) for question in asked):
            run = await face.engine.answer(call.principal, view.run.id, {question.id: None for question in asked})
            return run, Position(thread.last_seq)
    return None


async def _directed(
    face: Face, call: Call, asked: SdkRunCreate, command: Command, agent: str, thread_id: str | None
) -> SdkRunCreate:
    """``command`` without an answer: ``goto`` the agent itself begins a run, after ``update`` of the thread's state.
    Nothing else is a place to go to."""
    goto: Json = command.goto[0] if is_list(command.goto) and len(command.goto) == 1 else command.goto
    node, given = (goto.get("node"), goto.get("input")) if is_object(goto) else (goto, None)
    if node is None:
        raise _wrong("command.resume", "Field required, or goto; to update a state alone, post it to the thread")
    if node not in (agent, "__start__"):
        raise refuse("command.goto", f"an agent goes its own way; a run may go to {agent} or __start__, its beginning")
    if command.update is not None:
        if thread_id is None:
            raise _wrong("thread_id", "command.update needs the thread that it updates")
        await face.engine.revise_thread(call.principal, thread_id, [command_update(command.update)])
    return asked.model_copy(update={"command": None, "input": asked.input if given is None else given})


async def _go_on(face: Face, call: Call, meant: Resumption) -> Run:
    if meant.text is not None:
        return await face.engine.answer_text(call.principal, meant.run_id, meant.text)
    return await face.engine.answer(call.principal, meant.run_id, meant.answers)


def _wrong(field: str, problem: str) -> InputInvalid:
    return InputInvalid(f"Invalid body: {field}: {problem}.", ({"field": field, "problem": problem},))
