"""The place that a URL names."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

from dragoman.memory.blobs.folder import Folder
from dragoman.memory.blobs.place import BlobPlace
from dragoman.memory.errors import DragomanError

__all__ = ["blob_place", "is_url"]

_URL = re.compile(r"[a-z0-9]+://")


def is_url(place: str) -> bool:
    """Whether a place is named by a URL, and is no folder."""
    return _URL.match(place) is not None


def blob_place(url: str) -> BlobPlace:
    """The place: ``s3://``, ``gs://``, ``az://`` and a bucket with a prefix, or a folder, made when it is needed.

    Raises ``DragomanError`` without the extra, and for a URL of another kind.
    """
    if not is_url(url):
        return Folder(Path(url))
    if find_spec("obstore") is None:
        raise DragomanError(f"Blobs in {url.split(':')[0]}:// need obstore: install dragoman[blobs].")
    from dragoman.memory.blobs.objects import Objects

    return Objects(url)
