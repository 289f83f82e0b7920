"""What a run is configured with: its assistant's configuration with its own over it. The one place where that is
decided. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from dragoman.agent_protocol.narrow import is_list, is_object
from dragoman.memory.assistants import Assistant
from dragoman.memory.model import Json

__all__ = ["configured"]


def configured(
    assistant: Assistant, config: Mapping[str, Json] | None, context: Mapping[str, Json] | None
) -> tuple[dict[str, Json], dict[str, Json]]:
    """The config and the context of a run. The run's own keys win; ``configurable`` and ``metadata`` are merged key by
    key, and ``tags`` are those of both."""
    return _merged(assistant.config, config or {}), {**assistant.context, **(context or {})}


def _merged(old: Mapping[str, Json], new: Mapping[str, Json]) -> dict[str, Json]:
    both: dict[str, Json] = {**old, **new}
    for name in ("configurable", "metadata"):
        below, above = old.get(name), new.get(name)
        if is_object(below) and is_object(above):
            both[name] = {**below, **above}
    below, above = old.get("tags"), new.get("tags")
    if is_list(below) and is_list(above):
        both["tags"] = [*below, *(tag for tag in above if tag not in below)]
    return both
