"""What agents and exposed tools have in common: names, titles made of them, and whether calls are tasks."""

from __future__ import annotations

import re
from typing import Literal, TypeAlias

__all__ = ["NAME", "TaskSupport", "titled"]

TaskSupport: TypeAlias = Literal["optional", "required", "forbidden"]
"""Whether a call over MCP may, must or must not be answered with a task."""

NAME = re.compile(r"^[A-Za-z0-9_-]{1,64}$")


def titled(name: str) -> str:
    """A title for people, of a name."""
    return name.replace("_", " ").replace("-", " ").capitalize()
