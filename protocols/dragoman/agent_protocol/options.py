"""What a run was asked for on the wire and the domain has no place for, kept with its metadata under one reserved key.

Only what differs from the defaults is kept, so a plain run carries nothing; clients never see the key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from dragoman.agent_protocol.narrow import is_object
from dragoman.memory.errors import InputInvalid
from dragoman.memory.model import Json, Run

__all__ = ["HELD", "RESERVED", "RunOptions"]

RESERVED: Final = "dragoman.agent_protocol"
HELD: Final = "dragoman/held"
_DEFAULT_MODES: Final = ("values",)
_DEFAULT_STRATEGY: Final = "enqueue"


@dataclass(frozen=True, slots=True)
class RunOptions:
    """``stream_mode``, ``stream_subgraphs``: what a client that joins without saying gets. ``multitask_strategy``: told
    back. ``assistant_id``: the assistant whose run it is, where that is not the agent's own."""

    stream_mode: tuple[str, ...] = _DEFAULT_MODES
    multitask_strategy: str = _DEFAULT_STRATEGY
    assistant_id: str = ""
    stream_subgraphs: bool = False

    @classmethod
    def of(cls, metadata: Mapping[str, Json]) -> RunOptions:
        """The options that a run was opened with."""
        kept = metadata.get(RESERVED)
        if not is_object(kept):
            return _DEFAULTS
        modes: Sequence[Any] = kept.get("stream_mode") or _DEFAULT_MODES
        strategy = str(kept.get("multitask_strategy") or _DEFAULT_STRATEGY)
        assistant = str(kept.get("assistant_id") or "")
        return cls(tuple(str(m) for m in modes), strategy, assistant, kept.get("stream_subgraphs") is True)

    @classmethod
    def of_modes(cls, modes: Sequence[str]) -> RunOptions:
        """The options of a run with these stream modes."""
        given = tuple(modes)
        return _DEFAULTS if given == _DEFAULT_MODES else cls(given)

    def within(self, metadata: Mapping[str, Json]) -> Mapping[str, Json]:
        """A client's metadata with the options in it. Raises ``InputInvalid`` when it uses the reserved key."""
        if RESERVED in metadata:
            raise InputInvalid(
                f"metadata.{RESERVED} is reserved.", ({"field": f"metadata.{RESERVED}", "problem": "reserved"},)
            )
        kept: dict[str, Json] = {}
        if self.stream_mode != _DEFAULT_MODES:
            kept["stream_mode"] = list(self.stream_mode)
        if self.multitask_strategy != _DEFAULT_STRATEGY:
            kept["multitask_strategy"] = self.multitask_strategy
        if self.assistant_id:
            kept["assistant_id"] = self.assistant_id
        if self.stream_subgraphs:
            kept["stream_subgraphs"] = True
        return {**metadata, RESERVED: kept} if kept else metadata

    @staticmethod
    def without(metadata: Mapping[str, Json]) -> Mapping[str, Json]:
        """Metadata as the client gave it."""
        if RESERVED not in metadata:
            return metadata
        return {k: v for k, v in metadata.items() if k != RESERVED}

    @staticmethod
    def shown(run: Run) -> Mapping[str, Json]:
        """A run's metadata as the client gave it, and why the run is not taken though it is due."""
        told = RunOptions.without(run.metadata)
        return {**told, HELD: run.held} if run.held else told


_DEFAULTS: Final = RunOptions()
