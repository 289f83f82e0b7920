"""The words of the full-text index, made names that tell nothing: who reads the file sees which items share a word, and
how often, but no word.

A query's words are put in the same form, beside their own for texts from before sealing was on; in what is found they
stand again as they were asked for, so that the score is the same. Pure but for the key that it is given.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from dragoman.memory.sealing.data_keys import DataKey
from dragoman.memory.statements import SQL
from dragoman.memory.words import words_of

__all__ = ["FOUND", "KEPT", "Words", "are_hidden", "shown"]

KEPT: Final = SQL["put_item_words"]
FOUND: Final = SQL["items_with_words"]
_MARK: Final = "\x01"
_QUOTED = re.compile(r'"(\w+)"')
_HIDDEN = re.compile(r"\x01(?: (?:w[0-9a-f]{20})?)*")
_MATCH: Final = 4
_TEXT: Final = 6


def _hidden(key: DataKey, word: str) -> str:
    return f"w{key.named(word.encode())[:10].hex()}"


def are_hidden(text: str | None) -> bool:
    """Whether the index has this text's words hidden: what somebody wrote may begin alike."""
    return text is not None and _HIDDEN.fullmatch(text) is not None


class Words:
    """``first`` is the tenant's first key, which all its words are hidden with; ``made`` sees that there is one."""

    def __init__(self, first: Callable[[str], DataKey | None], made: Callable[[str], DataKey]) -> None:
        self._first = first
        self._made = made

    def kept(self, parameters: Sequence[Any]) -> tuple[Any, ...]:
        """What is put into the index: in an order of its own, so that no sentence is told."""
        known, tenant_word, text = parameters
        tenant = bytes.fromhex(tenant_word[1:]).decode()
        return known, tenant_word, self.hidden(tenant, text)

    def hidden(self, tenant: str, text: str) -> str:
        """A text of hidden words."""
        self._made(tenant)
        key = self._first(tenant)
        assert key is not None
        return f"{_MARK} {' '.join(sorted(_hidden(key, word) for word in words_of(text)))}"

    def asked(self, parameters: Sequence[Any]) -> tuple[tuple[Any, ...], Mapping[str, str]]:
        """A query that finds both forms, and the words by their hidden ones."""
        key = self._first(parameters[0])
        if key is None:
            return tuple(parameters), {}
        words = {_hidden(key, word): word for given in _QUOTED.findall(parameters[_MATCH]) for word in words_of(given)}
        match = parameters[_MATCH].removesuffix(")") + "".join(f' OR "{word}"' for word in words) + ")"
        return (*parameters[:_MATCH], match, *parameters[_MATCH + 1 :]), words


def shown(row: tuple[Any, ...], words: Mapping[str, str]) -> tuple[Any, ...]:
    """A row of what was found, with the words that were asked for."""
    text: str = row[_TEXT]
    if not text.startswith(_MARK):
        return row
    return (*row[:_TEXT], " ".join(words.get(word, word) for word in text.split()), *row[_TEXT + 1 :])
