"""How the MCP face behaves: values alone, read from no file and no environment; the app composes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

__all__ = ["McpSettings", "chosen", "named"]


@dataclass(frozen=True, slots=True, kw_only=True)
class McpSettings:
    """Settings of the face. Times are seconds unless their name says otherwise.

    ``state_key`` (32 bytes or more) seals ``requestState`` and the ids of events; replicas share it, and it outlives a
    restart. ``previous_keys`` open what was sealed with a key before it.
    ``path`` is where HTTP serves; ``name``, ``title`` and ``version`` (None: the installed distribution's) are what the
    server says of itself, with ``instructions`` where there are any.
    ``inline_wait`` is how long a call is waited for before it becomes a task (for clients that declare tasks) or its
    HTTP response becomes an event stream, kept alive every ``keepalive``.
    ``call_wait`` is how long a plain call is waited for before it is answered with a run handle: many clients give up
    at 60 s, and cancel. ``elicit_wait`` is how long it is waited for, at least, from when a question was put before a
    person; raise it for clients that are known to be patient.
    ``stream_close_after`` is when the stream of a call is closed whose client can come back for the answer (sessions of
    2025-11-25 over HTTP), for proxies that cut long ones; None is never.
    ``poll_interval_ms`` and ``list_ttl_ms`` are told to clients: how often to look at a task, how long to keep a list.
    ``page_size`` is how many entries a page of a list has; ``listed_runs`` is how many of a tenant's newest runs are
    listed as resources, with their threads.
    ``listen_streams`` bounds the ``subscriptions/listen`` requests that a caller has open at once, ``listen_items`` the
    resources and tasks that one of them, or a session, watches.
    ``state_ttl`` bounds how long a ``requestState`` is good for, ``session_ttl`` how long a session may be idle.
    ``max_message`` bounds a message, ``embed_limit`` an artifact that comes within a result, in bytes.
    ``companions`` lists the tools ``run_status``, ``run_answer`` and ``run_cancel``; ``tools`` are globs over the names
    of agents and of the catalog's tools, those with a ``!`` in front leave out what the others chose; None is all.
    ``allowed_hosts`` are names that the ``Host`` header may have, without port; ``allowed_origins`` are whole origins
    allowed beside those whose host is an allowed host. ``"*"`` in either allows all.
    """

    state_key: bytes
    previous_keys: tuple[bytes, ...] = ()
    path: str = "/mcp"
    name: str = "dragoman"
    title: str = "Dragoman"
    version: str | None = None
    instructions: str = ""
    inline_wait: float = 0.5
    call_wait: float = 55.0
    elicit_wait: float = 0.0
    keepalive: float = 15.0
    stream_close_after: float | None = None
    poll_interval_ms: int = 1000
    list_ttl_ms: int = 60_000
    page_size: int = 100
    listed_runs: int = 100
    listen_streams: int = 64
    listen_items: int = 1000
    state_ttl: float = 86_400.0
    session_ttl: float = 86_400.0
    max_message: int = 4 * 1024 * 1024
    embed_limit: int = 256 * 1024
    companions: bool = True
    tools: tuple[str, ...] | None = None
    allowed_hosts: tuple[str, ...] = ("localhost", "127.0.0.1", "[::1]")
    allowed_origins: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for key in (self.state_key, *self.previous_keys):
            if len(key) < 32:
                raise ValueError(f"state_key and previous_keys need 32 bytes or more each, not {len(key)}.")
        if not self.path.startswith("/"):
            raise ValueError(f"path begins with a slash: {self.path!r} does not.")

    def offers(self, name: str) -> bool:
        """Whether an agent or tool of this name is served."""
        return self.tools is None or chosen(name, self.tools)


def chosen(name: str, globs: Sequence[str]) -> bool:
    """Whether globs choose a name: one without ``!`` fits (or there are only those with it), and none with ``!``
    does."""
    left_out = [glob[1:] for glob in globs if glob.startswith("!")]
    if left_out and len(left_out) == len(globs):
        return not any(fnmatchcase(name, glob) for glob in left_out)
    return named(name, globs)


def named(name: str, globs: Sequence[str]) -> bool:
    """Whether a glob without ``!`` fits a name, and none with ``!`` does."""
    if any(fnmatchcase(name, glob[1:]) for glob in globs if glob.startswith("!")):
        return False
    return any(fnmatchcase(name, glob) for glob in globs if not glob.startswith("!"))
