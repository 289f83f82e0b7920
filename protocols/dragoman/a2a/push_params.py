"""TaskPushNotificationConfig objects (A2A 1.0, sections 3.1.7 to 3.1.10 and 4.3), checked by hand as ``params`` does.

No engine and no transport here. Whether an address may be called is not decided here: ``push`` asks the outbox.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from dragoman.a2a.errors import invalid

__all__ = ["PushConfig", "read_config", "read_config_id", "read_config_page", "read_new_config"]

Object = Mapping[str, Any]

_ID: Final = re.compile(r"[^\s/?#\x00-\x1f\x7f]{1,256}")
_SCHEME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}")  # a token of RFC 9110
_VALUE: Final = re.compile(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?")  # what a header can carry as it is
_MOST_URL: Final = 2048
_MOST_VALUE: Final = 8192


@dataclass(frozen=True, slots=True)
class PushConfig:
    """Where a task's updates go. ``id`` is empty where the server is to choose; ``token`` and ``credentials`` are
    secrets, and empty where there are none."""

    id: str
    url: str
    token: str = ""
    scheme: str = ""
    credentials: str = ""

    def __repr__(self) -> str:
        return f"PushConfig(id={self.id!r})"  # nothing else that could come into a log


def read_new_config(params: Object) -> tuple[str, PushConfig]:
    """The task's id and the config of CreateTaskPushNotificationConfig."""
    return _required(params, "taskId", "task_id", "the id of a task"), read_config(params, "")


def read_config(given: Object, at: str) -> PushConfig:
    """A TaskPushNotificationConfig. ``at`` is what its fields' names begin with in errors."""
    config_id = _text(given, "id", "id", at)
    if config_id and not _ID.fullmatch(config_id):
        raise invalid(
            f"{at}id", "is at most 256 characters without blanks, slashes, ? and #; leave it out for a new one"
        )
    url = _text(given, "url", "url", at, _MOST_URL)
    if not url:
        raise invalid(f"{at}url", "is required: where the task's updates are to be sent")
    scheme, credentials = _authentication(given, at)
    token = _text(given, "token", "token", at, _MOST_VALUE)
    return PushConfig(config_id, url, _header(token, f"{at}token"), scheme, credentials)


def read_config_id(params: Object, *, needed: bool = True) -> tuple[str, str]:
    """The ids of the task and the config of Get- and DeleteTaskPushNotificationConfig."""
    task_id = _required(params, "taskId", "task_id", "the id of a task")
    if not needed:
        return task_id, _text(params, "id", "id", "")
    return task_id, _required(params, "id", "id", "the id of a push notification config")


def read_config_page(params: Object) -> tuple[str, int, str | None]:
    """The task's id, the page's size and its token of ListTaskPushNotificationConfigs."""
    size: Any = _value(params, "pageSize", "page_size")
    if isinstance(size, str) and size.isdecimal():
        size = int(size)
    if size is not None and (isinstance(size, bool) or not isinstance(size, int) or not 0 <= size <= 100):
        raise invalid("pageSize", "must be between 1 and 100")
    token = _text(params, "pageToken", "page_token", "", 4096)
    return _required(params, "taskId", "task_id", "the id of a task"), size or 50, token or None


def _authentication(given: Object, at: str) -> tuple[str, str]:
    found = _value(given, "authentication", "authentication")
    if found is None:
        return "", ""
    at = f"{at}authentication"
    if not isinstance(found, Mapping):
        raise invalid(at, "must be an object")
    told = cast("Object", found)
    scheme = _text(told, "scheme", "scheme", f"{at}.")
    credentials = _text(told, "credentials", "credentials", f"{at}.", _MOST_VALUE)
    if not _SCHEME.fullmatch(scheme):
        raise invalid(f"{at}.scheme", "is required: the name of an HTTP authentication scheme, as Bearer")
    return scheme, _header(credentials, f"{at}.credentials")


def _header(value: str, at: str) -> str:
    if value and not _VALUE.fullmatch(value):
        raise invalid(at, "must be printable ASCII, without blanks at its ends: it is sent as a header")
    return value


def _required(of: Object, name: str, snake: str, what: str) -> str:
    value = _text(of, name, snake, "")
    if not value:
        raise invalid(name, f"is required: {what}")
    return value


def _text(of: Object, name: str, snake: str, at: str, most: int = 256) -> str:
    value = _value(of, name, snake)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise invalid(at + name, "must be a string")
    if len(value) > most:
        raise invalid(at + name, f"must be at most {most} characters long")
    return value


def _value(of: Object, name: str, snake: str) -> Any:
    value = of.get(name)
    return of.get(snake) if value is None else value
