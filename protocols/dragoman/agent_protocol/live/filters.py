"""Which events a subscription hears: channels, prefixes of namespaces, and how far below them (CDDL section 6). Pure.

A segment of a prefix without ``:`` fits any run of that agent: ``researcher`` is ``researcher:RUN``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from dragoman.agent_protocol.narrow import is_list
from dragoman.memory.errors import InputInvalid
from dragoman.memory.model import Json

__all__ = ["CHANNELS", "Filter", "filter_of", "position_of", "snake"]

CHANNELS: Final = (
    "values",
    "updates",
    "messages",
    "tools",
    "lifecycle",
    "input",
    "checkpoints",
    "tasks",
    "custom",
)
_MOST: Final = 64
_LONGEST: Final = 512
_LARGEST: Final = 2**53 - 1


@dataclass(frozen=True, slots=True)
class Filter:
    """A subscription's."""

    channels: frozenset[str]
    namespaces: tuple[tuple[str, ...], ...] = ()
    depth: int | None = None

    def hears(self, method: str, namespace: Sequence[str], name: Json = None) -> bool:
        """Whether an event of this method and place is for it; ``name`` is that of a custom event."""
        channel = "input" if method == "input.requested" else method
        if channel not in self.channels and not (method == "custom" and f"custom:{name}" in self.channels):
            return False
        return not self.namespaces or any(self._within(prefix, namespace) for prefix in self.namespaces)

    def _within(self, prefix: Sequence[str], namespace: Sequence[str]) -> bool:
        if len(prefix) > len(namespace):
            return False
        fits = (_fits(s, given) for s, given in zip(prefix, namespace, strict=False))
        return all(fits) and (self.depth is None or len(namespace) - len(prefix) <= self.depth)


def _fits(segment: str, given: str) -> bool:
    return segment == given or (":" not in segment and given.partition(":")[0] == segment)


def snake(given: Mapping[str, Json]) -> dict[str, Json]:
    """An object's own keys in snake_case; what they hold is the caller's."""
    return {"".join(f"_{c.lower()}" if c.isupper() else c for c in key): value for key, value in given.items()}


def filter_of(params: Mapping[str, Json]) -> Filter:
    """EventStreamRequest or SubscribeParams. Raises ``InputInvalid`` naming the field."""
    channels = params.get("channels")
    if not is_list(channels) or not 0 < len(channels) <= _MOST:
        raise _wrong("channels", f"must be a list of 1 to {_MOST} channels")
    for channel in channels:
        if not isinstance(channel, str) or not (channel in CHANNELS or _named(channel)):
            raise _wrong("channels", f"has one that there is not; there are {', '.join(CHANNELS)} and custom:NAME")
    given: Any = params.get("namespaces")
    namespaces: list[Any] = [] if given is None else given if is_list(given) else [given]
    if len(namespaces) > _MOST or not all(map(_is_namespace, namespaces)):
        raise _wrong("namespaces", f"must be a list of at most {_MOST} lists of strings")
    depth = _number(params, "depth")
    return Filter(frozenset(channels), tuple(tuple(n) for n in namespaces), depth)


def position_of(params: Mapping[str, Json]) -> int | None:
    """``since``: the last event that the client has. Raises ``InputInvalid``."""
    return _number(params, "since")


def _named(channel: str) -> bool:
    return channel.startswith("custom:") and len("custom:") < len(channel) <= _LONGEST


def _is_namespace(value: object) -> bool:
    return is_list(value) and len(value) <= _MOST and all(isinstance(s, str) and len(s) <= _LONGEST for s in value)


def _number(params: Mapping[str, Json], field: str) -> int | None:
    value = params.get(field)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _LARGEST:
        raise _wrong(field, "must be a whole number from 0 on")
    return value


def _wrong(field: str, problem: str) -> InputInvalid:
    return InputInvalid(f"{field} {problem}.", ({"field": field, "problem": problem},))
