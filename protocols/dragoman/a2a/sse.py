"""Server-sent events as A2A has them: an id and one line of data. The stream is ``dragoman.asgi``'s."""

from __future__ import annotations

__all__ = ["frame"]


def frame(data: bytes, id: str = "") -> bytes:
    """One event. ``data`` is a single line, as JSON is."""
    return b"id: %b\ndata: %b\n\n" % (id.encode(), data) if id else b"data: %b\n\n" % data
