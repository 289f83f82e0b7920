"""URI templates: the simple expansions of RFC 6570 (``{name}``), and ``{+name}`` for a value with slashes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote, unquote

__all__ = ["UriTemplate"]

_VARIABLE = re.compile(r"\{(\+?)([A-Za-z_][A-Za-z0-9_]*)\}")


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
        parts: list[str] = []
        at = 0
        for match in _VARIABLE.finditer(text):
            parts.append(re.escape(text[at : match.start()]))
            parts.append(f"(?P<{match.group(2)}>{'.+' if match.group(1) else '[^/?#]+'})")
            at = match.end()
        self._pattern = re.compile("".join([*parts, re.escape(text[at:])]))

    def match(self, uri: str) -> dict[str, str] | None:
        """The values of the variables in a URI, decoded; None where it does not fit."""
        found = self._pattern.fullmatch(uri)
        return None if found is None else {name: unquote(value) for name, value in found.groupdict().items()}

    def expand(self, values: Mapping[str, str]) -> str:
        """The URI that these values make. Raises ``KeyError`` for one that is missing."""
        return _VARIABLE.sub(lambda m: quote(values[m.group(2)], safe="/" if m.group(1) else ""), self.text)
