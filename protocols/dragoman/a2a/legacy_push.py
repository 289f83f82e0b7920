"""A Task in the words of A2A 0.3, for receivers of push notifications. Imported when one is to be told: it brings the
SDK along."""

from __future__ import annotations

from google.protobuf.json_format import ParseDict

from a2a.compat.v0_3 import conversions
from a2a.types import a2a_pb2 as pb
from dragoman.memory.model import Json

__all__ = ["task_bytes"]


def task_bytes(task: dict[str, Json]) -> bytes:
    """The Task of 0.3 as JSON."""
    told = conversions.to_compat_task(ParseDict(task, pb.Task(), ignore_unknown_fields=True))
    return told.model_dump_json(by_alias=True, exclude_none=True).encode()
