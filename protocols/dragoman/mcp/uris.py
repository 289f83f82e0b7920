"""The URIs of what the server itself has: runs, their artifacts, threads, items of the store, agents' instructions.

An item's path is its namespace and its key; a slash within an element stands as ``%2F``. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias
from urllib.parse import quote, unquote

from dragoman.agents.templates import LONGEST, UriTemplate

__all__ = ["AGENT", "ARTIFACT", "ITEM", "RUN", "TEMPLATES", "THREAD", "Kind", "Own", "item", "parse"]

Kind: TypeAlias = Literal["run", "artifact", "thread", "item", "agent"]

RUN: Final = UriTemplate("dragoman://runs/{run_id}")
ARTIFACT: Final = UriTemplate("dragoman://runs/{run_id}/artifacts/{artifact_id}")
THREAD: Final = UriTemplate("dragoman://threads/{thread_id}")
ITEM: Final = UriTemplate("dragoman://store/{+path}")
AGENT: Final = UriTemplate("dragoman://agents/{agent}")

TEMPLATES: Final = (RUN, ARTIFACT, THREAD, ITEM, AGENT)
_STORE: Final = "dragoman://store/"
_KINDS: Final[tuple[tuple[UriTemplate, Kind], ...]] = (
    (RUN, "run"),
    (ARTIFACT, "artifact"),
    (THREAD, "thread"),
    (AGENT, "agent"),
)


@dataclass(frozen=True, slots=True)
class Own:
    """What a URI of ours names: the id, or ids; of an item the elements of its namespace, then its key."""

    kind: Kind
    names: tuple[str, ...]


def parse(uri: str) -> Own | None:
    """What a URI names; None for one that is not ours, or longer than any. Whether it is there is another question."""
    if not uri.startswith("dragoman://") or len(uri) > LONGEST:
        return None
    for template, kind in _KINDS:
        found = template.match(uri)
        if found is not None:
            return Own(kind, tuple(found.values()))
    path = uri.removeprefix(_STORE)
    if uri.startswith(_STORE) and path:
        return Own("item", tuple(unquote(part) for part in path.split("/")))
    return None


def item(namespace: Sequence[str], key: str) -> str:
    """The URI of an item of the store."""
    return _STORE + "/".join(quote(part, safe="") for part in (*namespace, key))
