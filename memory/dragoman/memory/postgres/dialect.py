"""The shared SQL in Postgres's words.

A verb names a statement by its text in ``queries/*.sql``; here that text is turned into what is sent. The differences
are few and mechanical (placeholders, index hints, JSON arrays, two functions), and what differs in more is in
``queries/postgres``, which stands in the place of the shared text. Every statement is prepared against a real server in
the tests. Not a translator of SQL in general.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from dragoman.memory.statements import SQL, load_statements

__all__ = ["OWN", "Statement", "several", "statement"]

_QUERIES = Path(__file__).parents[1] / "queries"
_OPTIONAL = re.compile(r"\((\?\d+) IS NULL OR ")
_PLACEHOLDER = re.compile(r"\?(\d+)?")
_TEXTS: Final = load_statements(_QUERIES, _QUERIES / "postgres")

# In this order.
_CHANGES: Final = (
    (re.compile(r" INDEXED BY \w+"), ""),
    (re.compile(r"CROSS JOIN (\w+ AS \w+) ON"), r"JOIN \1 ON"),
    (re.compile(r"json_each\((\?\d*)\)"), r"jsonb_array_elements_text(\1::jsonb) AS j(value)"),
    (re.compile(r"instr\(([^,()]+), (\?\d+)\)"), r"position(\2 IN \1) > 0"),
    (re.compile(r"\bmax\((\?\d*), "), r"greatest(\1, "),
    # In SQLite NULL is less than anything.
    (re.compile(r"ORDER BY (thread_id|next_at|end_at) DESC"), r"ORDER BY \1 DESC NULLS LAST"),
    (re.compile(r"ORDER BY (thread_id|next_at|end_at),"), r"ORDER BY \1 NULLS FIRST,"),
    (re.compile(r"x'([0-9a-f]+)'"), r"'\\x\1'::bytea"),
)
# Lists without a limit: the reader stops when it has enough, and so must the server.
_WALK = re.compile(
    r"\w*runs\w*_before|threads_(by|of_facet|needing)_\w+|busy_threads|(assistants|crons)_by_\w+"
    r"|items_under|namespaces_under|assistant_versions"
)


class Statement(NamedTuple):
    """What is sent. ``walk``: its rows are fetched as they are asked for."""

    name: str
    text: str
    walk: bool = False


def _numbered(text: str) -> str:
    """``?`` and ``?3`` as ``$1`` and ``$3``."""
    count = 0

    def replace(match: re.Match[str]) -> str:
        nonlocal count
        count += 1
        return f"${match[1] or count}"

    return _PLACEHOLDER.sub(replace, text)


def _typed(text: str) -> str:
    """``(?2 IS NULL OR t.status = ?2)`` the other way round: Postgres takes a parameter's type from its first place."""
    start = 0
    while (match := _OPTIONAL.search(text, start)) is not None:
        depth, end = 1, match.end()
        while depth:
            depth += {"(": 1, ")": -1}.get(text[end], 0)
            end += 1
        test = text[match.end() : end - 1]
        text = f"{text[: match.start()]}({test} OR {match[1]} IS NULL){text[end:]}"
        start = match.start() + 1
    return text


def _dialect(text: str) -> str:
    for pattern, replacement in _CHANGES:
        text = pattern.sub(replacement, text)
    return _numbered(_typed(text))


def _made(name: str) -> Statement:
    return Statement(name, _dialect(_TEXTS[name]), _WALK.fullmatch(name) is not None)


OWN: Final[Mapping[str, Statement]] = {name: _made(name) for name in _TEXTS}
"""Every statement by its name."""

_OF_TEXT: Final[dict[str, Statement]] = {text: OWN[name] for name, text in SQL.items()}
_SEVERAL: Final[dict[tuple[str, int], Statement]] = {}
_NUMBER = re.compile(r"\$(\d+)")


def statement(shared: str) -> Statement:
    """The statement whose shared text this is. Raises ``KeyError`` for a text that is in no file."""
    return _OF_TEXT[shared]


def _moved(row: str, by: int) -> str:
    return _NUMBER.sub(lambda match: f"${int(match[1]) + by}", row)


def several(one: Statement, width: int, rows: int) -> Statement:
    """A statement that inserts or changes by one row of ``width`` VALUES made one of many."""
    if rows == 1:
        return one
    found = _SEVERAL.get((one.name, rows))
    if found is None:
        start = one.text.rindex("VALUES (") + len("VALUES ")
        end = one.text.index(")", start) + 1
        row = one.text[start:end]
        made = [_moved(row, n * width) for n in range(rows)]
        found = Statement(f"{one.name}_{rows}", one.text[:start] + ", ".join(made) + one.text[end:])
        _SEVERAL[one.name, rows] = found
    return found
