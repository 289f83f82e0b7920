"""Requests as ProtoJSON objects, checked by hand: what is wrong is told by its field; unknown fields are ignored.

No engine and no transport here. Each ``read_*`` takes the request message of its operation (A2A 1.0, section 3.2) and
raises ``Fault``. ProtoJSON lets a field be named in camelCase or as in the .proto file, and null stands for its
absence.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeVar, cast

from dragoman.a2a.asked import GENERATION
from dragoman.a2a.errors import CONTENT_TYPE_NOT_SUPPORTED, Fault, invalid
from dragoman.a2a.push_params import PushConfig, read_config
from dragoman.engine import UNSET, Unset
from dragoman.memory.codec import loads
from dragoman.memory.model import Json

__all__ = ["PUSH_AT", "STATES", "Listing", "Sending", "read_id", "read_listing", "read_sending", "read_task"]

PUSH_AT: Final = "configuration.taskPushNotificationConfig."
"""What the names of a push notification config's fields begin with where it comes with a message."""

T = TypeVar("T")
Object = Mapping[str, Any]

STATES: Final = (
    "TASK_STATE_UNSPECIFIED",
    "TASK_STATE_SUBMITTED",
    "TASK_STATE_WORKING",
    "TASK_STATE_COMPLETED",
    "TASK_STATE_FAILED",
    "TASK_STATE_CANCELED",
    "TASK_STATE_INPUT_REQUIRED",
    "TASK_STATE_REJECTED",
    "TASK_STATE_AUTH_REQUIRED",
)
"""TaskState by its number."""

_ROLES: Final = ("ROLE_UNSPECIFIED", "ROLE_USER", "ROLE_AGENT")
_TEXT_ALONE: Final = {"text"}
_PLAIN: Final = {"messageId", "role", "parts", "contextId", "taskId"}  # of a message that says nothing more
_CONTENT: Final = ("text", "raw", "url", "data")
_CONTEXT: Final = re.compile(r"[A-Za-z0-9._:~@-]{1,128}")
_MOST_TEXT: Final = 256  # characters of an id
_INT32: Final = 2**31


@dataclass(frozen=True, slots=True)
class Sending:
    """A SendMessageRequest. ``data`` is the structured content, ``text`` the prose; ``message`` is the message as the
    run keeps it (``{"role", "content", "id"}``, and ``parts`` where there is more than a text)."""

    message_id: str
    parts: list[dict[str, Any]]
    text: str | None
    data: Json | Unset
    message: dict[str, Json]
    context_id: str
    task_id: str
    metadata: Mapping[str, Json]
    history_length: int | None
    return_immediately: bool
    if_generation: int | None = None
    push: PushConfig | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """A ListTasksRequest. ``updated_after`` is in microseconds; ``state`` is empty for any."""

    context_id: str
    state: str
    page_size: int
    page_token: str
    history_length: int | None
    updated_after: int | None
    include_artifacts: bool


def read_sending(params: Object) -> Sending:
    """The parameters of SendMessage and SendStreamingMessage."""
    message = _object(params, "message", "message", "")
    if message is None:
        raise invalid("message", "is required")
    message_id = _text(message, "messageId", "message_id", "message.")
    if not message_id:
        raise invalid("message.messageId", "is required and not empty: it makes a resend safe")
    role = _enum(message, "role", "role", "message.", _ROLES)
    if role != "ROLE_USER":
        raise invalid("message.role", f"must be ROLE_USER for a message to an agent, not {role or 'missing'}")
    parts = _parts(message)
    text, data = _content(parts)
    context_id = _text(message, "contextId", "context_id", "message.")
    if context_id and not _CONTEXT.fullmatch(context_id):
        raise invalid(
            "message.contextId", "is 1 to 128 letters, digits and . _ : ~ @ - here; leave it out for a new context"
        )
    history_length, return_immediately, if_generation = _configuration(params)
    metadata = _object(params, "metadata", "metadata", "") or {}
    return Sending(
        message_id=message_id,
        parts=parts,
        text=text,
        data=data,
        message=_kept(message, message_id, parts, text),
        context_id=context_id,
        task_id=_text(message, "taskId", "task_id", "message."),
        metadata=metadata,
        history_length=history_length,
        return_immediately=return_immediately,
        if_generation=if_generation if if_generation is not None else _in_extension(metadata, "ifGenerationMatch"),
        push=_push(params),
    )


def read_task(params: Object) -> tuple[str, int | None, int | None]:
    """The task's id, the history length and the generation to wait past of GetTask."""
    generation = _integer(params, "currentGeneration", "current_generation", "")
    return read_id(params), _history_length(params, ""), generation


def read_id(params: Object) -> str:
    """The task's id of CancelTask and SubscribeToTask."""
    task_id = _text(params, "id", "id", "")
    if not task_id:
        raise invalid("id", "is required: the id of a task")
    return task_id


def read_listing(params: Object) -> Listing:
    """The parameters of ListTasks (section 3.1.4)."""
    size = _integer(params, "pageSize", "page_size", "")
    if size is not None and not 1 <= size <= 100:
        raise invalid("pageSize", f"must be between 1 and 100, not {size}")
    state = _enum(params, "status", "status", "", STATES)
    return Listing(
        context_id=_text(params, "contextId", "context_id", ""),
        state="" if state == STATES[0] else state,
        page_size=50 if size is None else size,
        page_token=_text(params, "pageToken", "page_token", "", most=4096),
        history_length=_history_length(params, ""),
        updated_after=_micros(params, "statusTimestampAfter", "status_timestamp_after"),
        include_artifacts=_value(params, "includeArtifacts", "include_artifacts", "", bool, "true or false") or False,
    )


# -- messages ---------------------------------------------------------------------------------------------------------
def _configuration(params: Object) -> tuple[int | None, bool, int | None]:
    configuration = _object(params, "configuration", "configuration", "")
    if configuration is None:
        return None, False, None
    at = "configuration."
    immediately = _value(configuration, "returnImmediately", "return_immediately", at, bool, "true or false")
    if_generation = _integer(configuration, "ifGenerationMatch", "if_generation_match", at)
    return _history_length(configuration, at), immediately or False, if_generation


def _push(params: Object) -> PushConfig | None:
    configuration = _object(params, "configuration", "configuration", "")
    if configuration is None:
        return None
    name = "taskPushNotificationConfig"
    given = _object(configuration, name, "task_push_notification_config", "configuration.")
    return None if given is None else read_config(given, PUSH_AT)


def _in_extension(metadata: Object, name: str) -> int | None:
    """A number that came by the extension, for bindings whose messages have no field for it yet."""
    told = _object(metadata, GENERATION, GENERATION, "metadata.")
    return None if told is None else _integer(told, name, name, f"metadata.{GENERATION}.")


def _parts(message: Object) -> list[dict[str, Any]]:
    given = _array(message, "parts", "parts", "message.")
    if not given:
        raise invalid("message.parts", "at least one part is required")
    return [_part(part, f"message.parts[{n}]") for n, part in enumerate(given)]


def _part(part: Any, at: str) -> dict[str, Any]:
    """A part with just one kind of content. A null is a content that is not there, but for ``data`` on its own."""
    if not isinstance(part, dict):
        raise invalid(at, "must be an object")
    given = cast("dict[str, Any]", part)
    if given.keys() == _TEXT_ALONE and isinstance(given["text"], str):  # nearly every part
        return given
    held = [name for name in _CONTENT if given.get(name) is not None] or (["data"] if "data" in given else [])
    if len(held) != 1:
        raise invalid(at, "must have exactly one of text, raw, url and data")
    if held[0] != "data" and not isinstance(given[held[0]], str):
        raise invalid(f"{at}.{held[0]}", "must be a string")
    if sum(name in given for name in _CONTENT) > 1:
        given = {name: value for name, value in given.items() if name not in _CONTENT or name == held[0]}
    return given


def _content(parts: list[dict[str, Any]]) -> tuple[str | None, Json | Unset]:
    """The prose of the parts, joined by line breaks, and their one piece of data."""
    texts: list[str] = []
    data: Json | Unset = UNSET
    for n, part in enumerate(parts):
        if "text" in part:
            texts.append(part["text"])
            continue
        if "data" in part:
            found = part["data"]
        else:
            found = _file(part, f"message.parts[{n}]")
            if isinstance(found, _Prose):
                texts.append(found)
                continue
        if not isinstance(data, Unset):
            raise invalid(f"message.parts[{n}].data", "is a second data part; put all fields into one")
        data = found
    return "\n".join(texts) if texts else None, data


class _Prose(str):
    """Text that came as the bytes of a file."""

    __slots__ = ()


def _file(part: Object, at: str) -> Json:
    """The content of a file part that an agent can read: text, or JSON."""
    kind = str(part.get("mediaType") or part.get("media_type") or "").partition(";")[0].strip().lower()
    if "raw" not in part or not (kind == "application/json" or kind.startswith("text/")):
        what = "a file by URL" if "url" in part else f"the media type {kind[:80]!r}"
        raise Fault(
            CONTENT_TYPE_NOT_SUPPORTED,
            f"{at}: {what} is not supported by this agent; send text, or JSON as data.",
            violations=[{"field": at, "description": f"{what} is not supported"}],
        )
    try:
        # ProtoJSON takes the standard and the URL-safe alphabet, with padding or without.
        encoded = part["raw"].replace("-", "+").replace("_", "/").rstrip("=")
        raw = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
        return loads(raw) if kind == "application/json" else _Prose(raw.decode())
    except (binascii.Error, ValueError) as error:
        raise invalid(f"{at}.raw", f"does not hold {kind} in base64 ({error})") from None


def _kept(message: Object, message_id: str, parts: list[dict[str, Any]], text: str | None) -> dict[str, Json]:
    """The message as the run keeps it, so that it can be told again as it was."""
    kept: dict[str, Json] = {"role": "user", "content": text or "", "id": message_id}
    if len(parts) > 1 or parts[0].keys() != _TEXT_ALONE:
        kept["parts"] = parts
    if message.keys() <= _PLAIN:
        return kept
    if metadata := _object(message, "metadata", "metadata", "message."):
        kept["metadata"] = metadata
    for name, snake in (("extensions", "extensions"), ("referenceTaskIds", "reference_task_ids")):
        if given := _array(message, name, snake, "message."):
            if not all(isinstance(item, str) for item in given):
                raise invalid(f"message.{name}", "must be an array of strings")
            kept[name] = given
    return kept


# -- fields -----------------------------------------------------------------------------------------------------------
def _value(of: Object, name: str, snake: str, at: str, kind: type[T], what: str) -> T | None:
    value = of.get(name)
    if value is None:
        value = of.get(snake)
        if value is None:
            return None
    if not isinstance(value, kind):
        raise invalid(at + name, f"must be {what}")
    return value


def _object(of: Object, name: str, snake: str, at: str) -> dict[str, Any] | None:
    return cast("dict[str, Any] | None", _value(of, name, snake, at, dict, "an object"))


def _array(of: Object, name: str, snake: str, at: str) -> list[Any]:
    return cast("list[Any]", _value(of, name, snake, at, list, "an array") or [])


def _text(of: Object, name: str, snake: str, at: str, most: int = _MOST_TEXT) -> str:
    value = _value(of, name, snake, at, str, "a string") or ""
    if len(value) > most:
        raise invalid(at + name, f"is longer than {most} characters")
    return value


def _integer(of: Object, name: str, snake: str, at: str) -> int | None:
    """An int32, which ProtoJSON takes as a number or as a string of one."""
    value = of.get(name)
    if value is None:
        value = of.get(snake)
    if value is None:
        return None
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,10}", value):
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not -_INT32 <= value < _INT32:
        raise invalid(at + name, "must be an integer of 32 bits")
    return value


def _history_length(of: Object, at: str) -> int | None:
    length = _integer(of, "historyLength", "history_length", at)
    if length is not None and length < 0:
        raise invalid(f"{at}historyLength", f"must be 0 or more, not {length}")
    return length


def _enum(of: Object, name: str, snake: str, at: str, names: tuple[str, ...]) -> str:
    """An enum by name or number; empty when it is missing."""
    value = of.get(name)
    if value is None:
        value = of.get(snake)
    if value is None:
        return ""
    if isinstance(value, str) and value in names:
        return value
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(names):
        return names[value]
    raise invalid(at + name, f"must be one of {', '.join(names[1:])}")


def _micros(of: Object, name: str, snake: str) -> int | None:
    """A timestamp in microseconds since the epoch."""
    value = _text(of, name, snake, "")
    if not value:
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None or "T" not in value.upper():
        raise invalid(name, "must be an RFC 3339 timestamp such as 2026-01-31T10:00:00Z")
    return round(moment.timestamp() * 1_000_000)
