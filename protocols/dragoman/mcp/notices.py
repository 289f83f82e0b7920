"""The notifications that tell of changes outside of a request. Pure.

``meta`` is there on a ``subscriptions/listen`` stream, where each says which subscription it is of.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from dragoman.mcp.jsonrpc import Id
from dragoman.memory.model import Json

__all__ = ["SUBSCRIPTION", "acknowledged", "list_changed", "of_subscription", "resource_updated", "task_changed"]

SUBSCRIPTION: Final = "io.modelcontextprotocol/subscriptionId"


def of_subscription(id: Id) -> Mapping[str, Json]:
    """The ``_meta`` of what is sent on the stream of a listen request."""
    return {SUBSCRIPTION: id}


def acknowledged(honoured: Mapping[str, Json], meta: Mapping[str, Json]) -> Mapping[str, Json]:
    """A subscription has begun; it tells of these."""
    return _notice("notifications/subscriptions/acknowledged", {"notifications": honoured}, meta)


def list_changed(name: str, meta: Mapping[str, Json] | None = None) -> Mapping[str, Json]:
    """A list (tools, prompts, resources) has changed."""
    return _notice(f"notifications/{name}/list_changed", {}, meta)


def resource_updated(uri: str, meta: Mapping[str, Json] | None = None) -> Mapping[str, Json]:
    """What is read under a URI has changed."""
    return _notice("notifications/resources/updated", {"uri": uri}, meta)


def task_changed(task: Mapping[str, Json], meta: Mapping[str, Json]) -> Mapping[str, Json]:
    """How a task stands now, in full (tasks extension, "Task Status Notifications")."""
    return _notice("notifications/tasks", task, meta)


def _notice(method: str, params: Mapping[str, Json], meta: Mapping[str, Json] | None) -> Mapping[str, Json]:
    told = dict(params) if meta is None else {**params, "_meta": meta}
    return {"jsonrpc": "2.0", "method": method, **({"params": told} if told else {})}
