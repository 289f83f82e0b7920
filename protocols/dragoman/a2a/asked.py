"""What a request asks for beside its operation: extensions, and where a stream goes on. The same for every binding.

Pure: it reads service parameters (A2A 1.0, section 3.2.6) and no transport. ``service`` acts on it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

from dragoman.a2a.errors import EXTENSION_REQUIRED, Fault, invalid
from dragoman.memory.model import Json

__all__ = ["ASKED_AT", "GENERATION", "NOTHING", "Asked", "Place", "asked_by", "check_extensions"]

GENERATION: Final = "urn:dragoman:a2a:task-generation:v1"
"""The extension that tells a task's ``generation``, as the draft of A2A 1.1 has it (section 3.2.7)."""

_ID: Final = re.compile(rb"(\d{1,18})(?:\.(\d{1,3}))?")
ASKED_AT: Final = ContextVar("dragoman_a2a_asked_at", default="")
"""The server's address as this request had it, for the one operation whose answer tells addresses: the extended
card."""

_LONGEST: Final = 8192  # of the list of extensions, in characters


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a task's stream: behind event ``seq``, and behind ``part`` updates of the one after it."""

    seq: int
    part: int = 0

    def __str__(self) -> str:
        return f"{self.seq}.{self.part}" if self.part else str(self.seq)


@dataclass(frozen=True, slots=True)
class Asked:
    """``extensions`` are URIs that the client wants; ``after`` is the place in a stream of the last update that it has
    seen, so that the stream goes on behind it."""

    extensions: frozenset[str] = frozenset()
    after: Place | None = None


NOTHING: Final = Asked()


def asked_by(headers: Iterable[tuple[bytes, bytes]]) -> Asked:
    """Read the headers of an HTTP request; their names are in lower case. Raises ``Fault`` for an id that is none."""
    extensions: list[bytes] = []
    after = b""
    for name, value in headers:
        if name == b"a2a-extensions":
            extensions.append(value)
        elif name == b"last-event-id":
            after = value.strip()
    if not extensions and not after:
        return NOTHING
    return Asked(_uris(extensions), _place(after))


def check_extensions(declared: Mapping[str, Mapping[str, Json]], asked: Asked) -> None:
    """Raise ``Fault`` unless every extension that the card calls required is asked for (section 3.3.4)."""
    missing = [uri for uri, told in declared.items() if told.get("required") and uri not in asked.extensions]
    if missing:
        raise Fault(
            EXTENSION_REQUIRED,
            f"This agent requires {', '.join(missing)}; support it, and say so in the header A2A-Extensions.",
            {"extensions": ",".join(missing)},
        )


def _uris(lines: list[bytes]) -> frozenset[str]:
    text = b",".join(lines).decode("latin-1")
    if len(text) > _LONGEST:
        raise invalid("A2A-Extensions", f"is longer than {_LONGEST} characters")
    return frozenset(uri for uri in (part.strip() for part in text.split(",")) if uri)


def _place(id: bytes) -> Place | None:
    if not id:
        return None
    found = _ID.fullmatch(id)
    if found is None:
        raise invalid("Last-Event-ID", "must be the id of an update of this task's stream")
    return Place(int(found[1]), int(found[2] or 0))
