"""Contents of artifacts as they are kept: bytes of any kind, none of which may begin as a sealed value or a reference
to a blob does, for they would be taken for one, also by a server that is given a key or a place for blobs later.

What begins so gets four bytes before it. Above: the verbs that keep and read artifacts.
"""

from __future__ import annotations

from typing import Final

__all__ = ["as_it_was", "to_be_kept"]

_AS_IT_IS: Final = b"\x00\xd7dg"
_TAKEN: Final = (_AS_IT_IS, b"\x01\xd7dg", b"\x02\xd7dg")


def to_be_kept(data: bytes) -> bytes:
    """Contents in a form that is nothing else."""
    return _AS_IT_IS + data if data.startswith(_TAKEN) else data


def as_it_was(kept: bytes) -> bytes:
    """The contents again."""
    return kept[len(_AS_IT_IS) :] if kept.startswith(_AS_IT_IS) else kept
