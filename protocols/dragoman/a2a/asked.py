"""What a request asks for beside its operation: extensions, and where a stream goes on. The same for every binding.

Pure: it reads service parameters (A2A 1.0, section 3.2.6) and no transport. ``service`` acts on it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from dragoman.a2a.errors import EXTENSION_REQUIRED, Fault, invalid
from dragoman.memory.model import Json

__all__ = ["GENERATION", "NOTHING", "Asked", "asked_by", "check_extensions"]

GENERATION: Final = "urn:dragoman:a2a:task-generation:v1"
"""The extension that tells a task's ``generation``, as the draft of A2A 1.1 has it (section 3.2.7)."""

_LONGEST: Final = 8192  # of the list of extensions, in characters


@dataclass(frozen=True, slots=True)
class Asked:
    """``extensions`` are URIs that the client wants; ``after`` is the id of the last event of a stream that it has
    seen, so that the stream goes on behind it; ``generation`` is the one that a long poll has seen."""

    extensions: frozenset[str] = frozenset()
    after: int | None = None
    generation: int | None = None


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
    return Asked(_uris(extensions), _number(after))


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


def _number(id: bytes) -> int | None:
    if not id:
        return None
    if not id.isdigit() or len(id) > 18:
        raise invalid("Last-Event-ID", "must be the id of an event of this task's stream, a number")
    return int(id)
