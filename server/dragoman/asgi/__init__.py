"""What every face needs of ASGI, and no face: event streams. Below the faces; imports nothing of Dragoman's."""

from dragoman.asgi.event_stream import EventStream, Outcome

__all__ = ["EventStream", "Outcome"]
