"""``dragoman demo``: one durable run, seen and answered over three protocols, through a ``kill -9``.

Drives a real server process with the protocols' own clients; nothing here is part of the server.
"""

from dragoman.demo.show import main

__all__ = ["main"]
