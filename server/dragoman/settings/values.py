"""What tables are made of: a table, and the kinds of values in them."""

from __future__ import annotations

import shlex
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, Strict

__all__ = ["Count", "Names", "Seconds", "Table", "split_arguments"]

Count = Annotated[int, Strict(), Field(ge=1)]
Seconds = Annotated[float, Strict(), Field(gt=0, allow_inf_nan=False)]


def _split(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], BeforeValidator(_split)]


def split_arguments(value: object) -> object:
    """A command in one text, as the list of its words."""
    return shlex.split(value) if isinstance(value, str) else value


class Table(BaseModel):
    """Keys that are not known are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)
