"""The reply as it is spoken: pieces of text while a run is at work, then whole messages. Pure; a part of ``stream.py``.

Modes: ``messages`` (Agent Protocol: a Message a frame; SDK: messages/metadata, messages/partial, messages/complete) and
``messages-tuple`` (LangChain's chunks, each with its metadata).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from dragoman.agent_protocol.messages import told
from dragoman.agent_protocol.surface import Surface
from dragoman.memory.model import Json

__all__ = ["Frame", "Speech"]


class Frame(NamedTuple):
    """One server-sent event before it is framed."""

    event: str
    data: Json


class Speech:
    """What a run has said since its last whole message."""

    def __init__(self, surface: Surface, run_id: str, agent: str, modes: Collection[str]) -> None:
        self._surface = surface
        self._run_id = run_id
        self._about: dict[str, Json] = {"run_id": run_id, "langgraph_node": agent}
        self._messages = "messages" in modes
        self._tuple = "messages-tuple" in modes
        self._pieces: list[tuple[str | None, str]] = []
        self._announced = False

    def piece(self, text: str, step: str | None) -> list[Frame]:
        """A piece of text, said outside of steps or in one."""
        if not text:
            return []
        self._pieces.append((step, text))
        frames: list[Frame] = []
        if self._messages and self._surface is Surface.AGENT_PROTOCOL:
            frames.append(Frame("messages", self._part(text)))
        elif self._messages:
            if not self._announced:
                self._announced = True
                frames.append(Frame("messages/metadata", {f"{self._run_id}:out": {"metadata": self._about}}))
            frames.append(self._so_far())
        if self._tuple:
            frames.append(Frame("messages", [self.chunk(text), self._about]))
        return frames

    def whole(self, messages: Sequence[Mapping[str, Json]]) -> list[Frame]:
        """Messages that were appended to the thread; those of users are left out."""
        replies = [told(m, self._surface) for m in messages if m.get("role") != "user"]
        frames: list[Frame] = []
        for shown in replies:
            if self._messages and self._surface is Surface.AGENT_PROTOCOL:
                frames.append(Frame("messages", shown))
            elif self._messages:
                frames.append(Frame("messages/complete", [shown]))
            if self._tuple and not self._pieces:
                frames.append(Frame("messages", [shown, self._about]))
        if replies:
            self._pieces.clear()
            self._announced = False
        return frames

    def retracted(self, step: str) -> list[Frame]:
        """A step is tried again: what it said is taken back. Clients that show the whole text so far are told."""
        kept = [piece for piece in self._pieces if piece[0] != step]
        if len(kept) == len(self._pieces):
            return []
        self._pieces = kept
        if not self._messages:
            return []
        if self._surface is Surface.LANGGRAPH:
            return [self._so_far()]
        replacing = self._part(self._said())
        return [Frame("messages", {**replacing, "metadata": {"partial": True, "replaces": True}})]

    def chunk(self, text: str) -> dict[str, Json]:
        """A piece as LangChain's AIMessageChunk."""
        return {**self._message(text), "type": "AIMessageChunk"}

    def _said(self) -> str:
        return "".join(text for _, text in self._pieces)

    def _so_far(self) -> Frame:
        return Frame("messages/partial", [self._message(self._said())])

    def _part(self, text: str) -> dict[str, Json]:
        return {**self._message(text), "metadata": {"partial": True}}

    def _message(self, text: str) -> dict[str, Json]:
        return told({"role": "assistant", "content": text, "id": f"{self._run_id}:out"}, self._surface)
