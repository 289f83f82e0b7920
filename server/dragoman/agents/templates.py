"""URI templates: the simple expansions of RFC 6570 (``{name}``), and ``{+name}`` for a value with slashes.

URIs come from strangers: whether one fits is found in time that grows with its length alone, whatever the template.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote

__all__ = ["LONGEST", "UriTemplate"]

LONGEST: Final = 8192
"""Characters of a URI; a longer one fits no template."""
_VARIABLE: Final = re.compile(r"\{(\+?)([A-Za-z_][A-Za-z0-9_]*)\}")


@dataclass(frozen=True, slots=True)
class _Variable:
    """A part that stands for one or more characters, none of which is in ``stops``."""

    name: str
    stops: str


class UriTemplate:
    """A template that matches URIs and makes them. ``names`` are its variables, in order; none makes it a plain URI.

    Raises ``ValueError`` for an expansion that is not one of these.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.names = tuple(match.group(2) for match in _VARIABLE.finditer(text))
        rest = _VARIABLE.sub("", text)
        if "{" in rest or "}" in rest or len(set(self.names)) != len(self.names):
            raise ValueError(f"{text!r} is no URI template of {{name}} and {{+name}}, each name once.")
        if ":" not in text.partition("{")[0]:
            raise ValueError(f"{text!r} must begin with a scheme, as notes://{{id}}.")
        self._head = text.partition("{")[0]
        self._parts: list[str | _Variable] = []
        at = 0
        for match in _VARIABLE.finditer(text):
            self._parts += [text[at : match.start()], _Variable(match.group(2), "" if match.group(1) else "/?#")]
            at = match.end()
        self._parts.append(text[at:])

    def match(self, uri: str) -> dict[str, str] | None:
        """The values of the variables in a URI, decoded; None where it does not fit. Where it fits in several ways, an
        earlier variable takes as much as it can."""
        if len(uri) > LONGEST or not uri.startswith(self._head):
            return None
        fits = [[len(uri)]]  # where the parts after each part can begin, the last part first, greatest first
        for part in reversed(self._parts):
            fits.append(_before(uri, part, fits[-1]))
        if fits.pop()[-1:] != [0]:
            return None
        values: dict[str, str] = {}
        at = 0
        for part in self._parts:
            ends = fits.pop()
            if isinstance(part, str):
                at += len(part)
                continue
            furthest = min((place for stop in part.stops if (place := uri.find(stop, at)) >= 0), default=len(uri))
            end = next(end for end in ends if end <= furthest)
            values[part.name] = unquote(uri[at:end])
            at = end
        return values

    def expand(self, values: Mapping[str, str]) -> str:
        """The URI that these values make. Raises ``KeyError`` for one that is missing."""
        return _VARIABLE.sub(lambda m: quote(values[m.group(2)], safe="/" if m.group(1) else ""), self.text)


def _before(uri: str, part: str | _Variable, ends: Sequence[int]) -> list[int]:
    """Where a part can begin that ends at one of ``ends``; both from the greatest down."""
    if isinstance(part, str):
        return [end - len(part) for end in ends if end >= len(part) and uri.startswith(part, end - len(part))]
    begins: list[int] = []
    lowest = len(uri) + 1
    for end in ends:
        if end > lowest:
            continue  # what ends here begins where something was found to begin
        lowest = end
        while lowest > 0 and uri[lowest - 1] not in part.stops:
            lowest -= 1
            begins.append(lowest)
    return begins
