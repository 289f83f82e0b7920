"""A run as LangChain's ``astream_events`` (v2) would tell it: the frames of the mode ``events``. Pure; a part of
``stream.py``.

The agent and its steps are chains, what it says is a chat model's, what it emits are custom events.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from dragoman.agent_protocol.speech import Frame
from dragoman.memory.model import Event, Json

__all__ = ["LangChainEvents"]


class LangChainEvents:
    """One run's. ``chunk`` makes the piece of a message that a text is."""

    def __init__(
        self, run_id: str, thread_id: str, agent: str, input: Json, chunk: Callable[[str], Mapping[str, Json]]
    ) -> None:
        self._run_id = run_id
        self._thread_id = thread_id
        self._agent = agent
        self._input = input
        self._chunk = chunk

    def feed(self, event: Event) -> list[Frame]:
        """The frame that an event makes, if any."""
        data: Mapping[str, Any] = event.data
        step = str(data.get("step", ""))
        match event.type:
            case "run.started":
                return [self._chain("start", {"input": self._input})]
            case "values":
                return [self._chain("stream", {"chunk": data.get("values") or {}})]
            case "run.succeeded":
                return [self._chain("end", {"input": self._input, "output": data.get("output")})]
            case "step.started":
                return [self._chain("start", {}, step)]
            case "step.finished":
                return [self._chain("end", {"output": data.get("result")}, step)]
            case "text" if data.get("text"):
                return [self._frame("on_chat_model_stream", step, {"chunk": self._chunk(data["text"])})]
            case "custom":
                return [self._frame("on_custom_event", step, data.get("data"), str(data.get("name")))]
            case _:
                return []

    def _chain(self, what: str, payload: Mapping[str, Json], step: str = "") -> Frame:
        return self._frame(f"on_chain_{what}", step, payload)

    def _frame(self, kind: str, step: str, payload: Json, name: str = "") -> Frame:
        run_id = f"{self._run_id}:{step}" if step else self._run_id
        return Frame(
            "events",
            {
                "event": kind,
                "name": name or step or self._agent,
                "run_id": run_id,
                "data": payload,
                "tags": [],
                "metadata": {
                    "run_id": self._run_id,
                    "thread_id": self._thread_id,
                    "langgraph_node": step or self._agent,
                },
                "parent_ids": [self._run_id] if step else [],
            },
        )
