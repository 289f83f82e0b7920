"""What a client may ask for and this server does not do: refused by name, so that nobody builds on a promise not
kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from dragoman.memory.errors import InputInvalid
from dragoman.memory.model import Json

__all__ = ["refuse", "refuse_given", "refuse_run"]

_RUN: Final[Mapping[str, str]] = {
    "webhook": "runs call no webhook; wait for the run or stream it",
}


def refuse(field: str, reason: str) -> InputInvalid:
    """The error that refuses a field."""
    return InputInvalid(f"{field} is not served: {reason}.", ({"field": field, "problem": f"not served: {reason}"},))


def refuse_given(asked: Mapping[str, Json], table: Mapping[str, str]) -> None:
    """Raise ``InputInvalid`` for a field of the table (field → reason) that was given more than nothing."""
    for field in table.keys() & asked.keys():
        if asked[field] not in (None, [], {}):
            raise refuse(field, table[field])


def refuse_run(body: Mapping[str, Json]) -> None:
    """Raise ``InputInvalid`` for a promise in a run's body that is not kept."""
    refuse_given(body, _RUN)
