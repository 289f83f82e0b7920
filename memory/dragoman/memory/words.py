"""Full text: which texts of a value are found by their words, and how well a text answers a query. Pure.

A word is letters and digits, whatever their case and accents. The score is BM25 over the texts that were found, so that
it tells nothing of texts that the caller may not see.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from dragoman.memory.model import Json
from dragoman.memory.store import Indexed

__all__ = ["scores", "text_of", "words_of"]

_WORD: Final = re.compile(r"\w+")
_STEP: Final = re.compile(r"([^.\[\]]+)|\[(\*|\d+)\]")
_LONGEST: Final = 65_536  # characters of a value that are found
_K, _B = 1.2, 0.75


def words_of(text: str) -> list[str]:
    """The words of a text, folded."""
    plain = unicodedata.normalize("NFKD", text)
    return _WORD.findall("".join(c for c in plain if not unicodedata.combining(c)).casefold())


def text_of(value: Mapping[str, Json], index: Indexed) -> str:
    """The texts of a value that are found, put together; of a large value, its beginning."""
    if index is False:
        return ""
    roots = [value] if index is None else [found for path in index for found in _at(value, path)]
    whole = ""
    for text in (text for root in roots for text in _texts(root)):
        whole += text + "\n"
        if len(whole) >= _LONGEST:
            break
    return whole[:_LONGEST]


def _texts(value: Json) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list):
        for child in _children(value):
            yield from _texts(child)


def _children(value: Any) -> Iterable[Json]:
    within: Iterable[Json] = value.values() if hasattr(value, "values") else value
    return within


def _at(value: Json, path: str) -> list[Json]:
    """What is under a path."""
    found: list[Json] = [value]
    for name, position in _STEP.findall("" if path == "$" else path):
        if name:
            found = [one[name] for one in found if isinstance(one, Mapping) and name in one]
            continue
        lists: list[list[Json]] = [one for one in found if isinstance(one, list)]
        if position == "*":
            found = [child for one in lists for child in one]
        else:
            found = [one[int(position)] for one in lists if int(position) < len(one)]
    return found


def scores(query: Sequence[str], texts: Sequence[str]) -> list[float]:
    """How well each text answers a query's words."""
    counted = [Counter(words_of(text)) for text in texts]
    lengths = [sum(count.values()) or 1 for count in counted]
    mean = sum(lengths) / max(1, len(lengths))
    rarity = {word: _rarity(len(counted), sum(word in count for count in counted)) for word in set(query)}
    return [
        sum(rarity[word] * _weight(count[word], length / mean) for word in rarity)
        for count, length in zip(counted, lengths, strict=True)
    ]


def _rarity(number: int, having: int) -> float:
    return math.log(1 + (number - having + 0.5) / (having + 0.5))


def _weight(times: int, relative: float) -> float:
    return times * (_K + 1) / (times + _K * (1 - _B + _B * relative))
