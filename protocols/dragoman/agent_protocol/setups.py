"""From a body's options to the setup that is kept with a run: configuration, context, where it begins and where it
pauses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dragoman.agent_protocol.configured import configured
from dragoman.agent_protocol.errors import CheckpointNotFound
from dragoman.agent_protocol.face import Face
from dragoman.agent_protocol.narrow import is_object
from dragoman.agent_protocol.shapes import checkpoint_number
from dragoman.agent_protocol.unkept import refuse
from dragoman.agent_protocol.wire import RunCreate
from dragoman.agent_protocol.wire_sdk import CheckpointName, SdkRunCreate
from dragoman.memory.assistants import Assistant
from dragoman.memory.errors import InputInvalid
from dragoman.memory.model import Principal
from dragoman.memory.setup import RunSetup

__all__ = ["agent_protocol_setup", "named_checkpoint", "sdk_setup"]


def agent_protocol_setup(asked: RunCreate) -> RunSetup | None:
    """The setup of a run of Agent Protocol; None where it says nothing, as most do."""
    if not asked.config and asked.on_completion != "delete":
        return None
    return RunSetup(config=dict(asked.config or {}), forget=asked.on_completion == "delete")


async def sdk_setup(
    face: Face, principal: Principal, asked: SdkRunCreate, assistant: Assistant, thread_id: str | None
) -> RunSetup | None:
    """The setup of a run of the SDK. Raises ``InputInvalid``, ``CheckpointNotFound``."""
    given: Mapping[str, Any] = asked.config or {}
    config, context = configured(assistant, given, asked.context)
    setup = RunSetup(
        config=config,
        context=context,
        from_checkpoint=await _begin(face, principal, asked, given, thread_id),
        pause_before=tuple(asked.interrupt_before),
        pause_after=tuple(asked.interrupt_after),
        forget=asked.on_completion == "delete",
    )
    return None if setup == RunSetup() else setup


async def _begin(
    face: Face, principal: Principal, asked: SdkRunCreate, config: Mapping[str, Any], thread_id: str | None
) -> int | None:
    name = asked.checkpoint_id or (asked.checkpoint.checkpoint_id if asked.checkpoint else None)
    configurable = config.get("configurable")
    if name is None and is_object(configurable) and isinstance(configurable.get("checkpoint_id"), str):
        name = configurable["checkpoint_id"]
    if name is None:
        return None
    if thread_id is None:
        problem = "needs the thread that it is of"
        raise InputInvalid(f"Invalid body: checkpoint: {problem}.", ({"field": "checkpoint", "problem": problem},))
    return await named_checkpoint(face, principal, thread_id, name, asked.checkpoint)


async def named_checkpoint(
    face: Face, principal: Principal, thread_id: str, name: str, given: CheckpointName | None = None
) -> int:
    """The number of a checkpoint by its id. Raises ``CheckpointNotFound``, ``ThreadNotFound``."""
    if given is not None and given.checkpoint_ns:
        raise refuse("checkpoint.checkpoint_ns", "an agent has no subgraphs; a child run has a thread of its own")
    number = checkpoint_number(thread_id, name)
    found = await face.engine.checkpoints(principal, thread_id, 1, 0 if number is None else number + 1)
    if number is None or not found or found[0].number != number:
        raise CheckpointNotFound(f"The thread has no checkpoint {name[:80]!r}.")
    return number
