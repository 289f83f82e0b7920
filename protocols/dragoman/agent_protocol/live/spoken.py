"""What a run says, as messages of content blocks (CDDL section 8). Pure; a part of ``told.py``.

A reply is one message with one block of text: begun at the first piece, finished when the whole is in the thread, and
before that when the step that says it is over, when another step begins, and when the run waits. A run that goes on
begins the same message again, with what it has said. So no message is open while nobody works on it, and its end comes
before a question, which clients hear of on a stream of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dragoman.memory.model import Json

__all__ = ["Spoken"]

Data = dict[str, Any]


class Spoken:
    """The reply of a run since its last whole message."""

    def __init__(self, run_id: str, thread_id: str, agent: str) -> None:
        self._id = f"{run_id}:out"
        self._about: Mapping[str, Json] = {"run_id": run_id, "thread_id": thread_id, "langgraph_node": agent}
        self._pieces: list[tuple[str | None, str]] = []
        self._open = False
        self._ended: str | None = None

    def piece(self, text: str, step: str | None) -> list[Data]:
        """A piece of text."""
        if not text:
            return []
        begun = [] if self._open else self._begun(self._id, self._said())
        self._open = True
        self._pieces.append((step, text))
        return [*begun, _delta({"type": "text-delta", "text": text})]

    def whole(self, messages: Sequence[Mapping[str, Any]]) -> list[Data]:
        """Messages that were appended to the thread; those of users are left out."""
        found: list[Data] = []
        for message in messages:
            if message.get("role") == "user":
                continue
            text = str(message.get("content", ""))
            if not self._open and self._ended is not None and text.strip() == self._ended.strip():
                self._closed_as(None)
                continue
            if not self._open:
                found += self._begun(str(message.get("id") or self._id), "", message.get("role") == "system")
                found.append(
                    {"event": "content-block-delta", "index": 0, "delta": {"type": "text-delta", "text": text}}
                )
            found += _finished(text)
            self._closed_as(None)
        return found

    def step_started(self) -> list[Data]:
        """A step begins: what the run said by itself before it is said."""
        return self.stopped() if self._pieces and self._pieces[-1][0] is None else []

    def step_finished(self, step: str) -> list[Data]:
        """A step is over: what it said is said."""
        return self.stopped() if self._pieces and self._pieces[-1][0] == step else []

    def stopped(self) -> list[Data]:
        """Nothing more is said for now."""
        if not self._open:
            return []
        self._ended = self._said()
        return self._closed(_finished(self._ended))

    def failed(self, message: str) -> list[Data]:
        """Nothing more is said."""
        return self._closed([{"event": "error", "message": message}])

    def retracted(self, step: str) -> list[Data]:
        """A step is tried again: what it said is taken back."""
        kept = [piece for piece in self._pieces if piece[0] != step]
        if len(kept) == len(self._pieces):
            return []
        self._pieces = kept
        fields = {"type": "text", "text": self._said()}
        return [_delta({"type": "block-delta", "fields": fields})] if self._open else []

    def _closed_as(self, ended: str | None) -> None:
        self._open, self._ended = False, ended
        self._pieces.clear()

    def _closed(self, last: list[Data]) -> list[Data]:
        if not self._open:
            return []
        self._open = False
        return last

    def _said(self) -> str:
        return "".join(text for _, text in self._pieces)

    def _begun(self, id: str, text: str, of_system: bool = False) -> list[Data]:
        role = "system" if of_system else "ai"
        return [
            {"event": "message-start", "role": role, "id": id, "metadata": self._about},
            {"event": "content-block-start", "index": 0, "content": {"type": "text", "text": text}},
        ]


def _delta(delta: Data) -> Data:
    return {"event": "content-block-delta", "index": 0, "delta": delta}


def _finished(text: str) -> list[Data]:
    return [
        {"event": "content-block-finish", "index": 0, "content": {"type": "text", "text": text}},
        {"event": "message-finish"},
    ]
