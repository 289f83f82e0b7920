"""What a client may ask for and this server does not do: refused by name, so that nobody builds on a promise not
kept."""

from __future__ import annotations

from dragoman.memory.errors import InputInvalid

__all__ = ["refuse"]


def refuse(field: str, reason: str) -> InputInvalid:
    """The error that refuses a field."""
    return InputInvalid(f"{field} is not served: {reason}.", ({"field": field, "problem": f"not served: {reason}"},))
