"""Content that tools, prompts and resources give where text alone will not do.

Plain values with the shapes of MCP's content blocks (2025-11-25 "Content", snake case here, camel case in JSON), so
that what is stored of them is what a client is shown. No protocol is spoken here; a face that has other shapes makes
them of these.
"""

from __future__ import annotations

import base64
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, TypeAlias, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

from dragoman.memory.model import Json

__all__ = ["Audio", "Content", "Embedded", "Icon", "Image", "Link", "Message", "Text", "ToolResult", "gives_content"]


def _bytes_of(value: object) -> object:
    """Base64 text, which is how bytes stand in JSON, as bytes."""
    return base64.b64decode(value, validate=True) if isinstance(value, str) else value


Blob = Annotated[
    bytes,
    BeforeValidator(_bytes_of),
    PlainSerializer(lambda data: base64.b64encode(data).decode(), return_type=str, when_used="json"),
]
"""Bytes; Base64 in JSON."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, populate_by_name=True, serialize_by_alias=True, extra="forbid")

    def to_json(self) -> dict[str, Json]:
        """As JSON, with camel case names and without what is not set."""
        return self.model_dump(mode="json", exclude_none=True)


class Icon(_Part):
    """A picture that stands for something: ``src`` is an ``https:`` or ``data:`` URI, ``sizes`` are as ``48x48``."""

    src: str
    mime_type: Annotated[str | None, Field(alias="mimeType")] = None
    sizes: tuple[str, ...] | None = None


class Text(_Part):
    """Text."""

    type: Literal["text"] = "text"
    text: str


class Image(_Part):
    """A picture."""

    type: Literal["image"] = "image"
    data: Blob
    mime_type: Annotated[str, Field(alias="mimeType")] = "image/png"


class Audio(_Part):
    """A sound."""

    type: Literal["audio"] = "audio"
    data: Blob
    mime_type: Annotated[str, Field(alias="mimeType")] = "audio/wav"


class Link(_Part):
    """A resource that can be read elsewhere; ``size`` is in bytes."""

    type: Literal["resource_link"] = "resource_link"
    uri: str
    name: str
    title: str | None = None
    description: str | None = None
    mime_type: Annotated[str | None, Field(alias="mimeType")] = None
    size: int | None = None


class Embedded(_Part):
    """A resource with its contents: ``text`` or ``blob``, one of them."""

    type: Literal["resource"] = "resource"
    uri: str
    mime_type: Annotated[str | None, Field(alias="mimeType")] = None
    text: str | None = None
    blob: Blob | None = None


Content: TypeAlias = Text | Image | Audio | Link | Embedded
"""One block of content. An agent or tool annotated to return it, or a list of it, answers with these blocks."""


class Message(_Part):
    """A message of a prompt."""

    role: Literal["user", "assistant"] = "user"
    content: Annotated[Content, Field(discriminator="type")]

    @classmethod
    def of(cls, content: str | Content, role: Literal["user", "assistant"] = "user") -> Message:
        """A message of a text or of a block."""
        return cls(role=role, content=Text(text=content) if isinstance(content, str) else content)


class ToolResult(_Part):
    """A result whose parts are chosen: ``structured`` beside ``content``, and whether it tells of an error."""

    content: tuple[Annotated[Content, Field(discriminator="type")], ...] = ()
    structured: Mapping[str, Any] | None = None
    is_error: Annotated[bool, Field(alias="isError")] = False


def gives_content(annotation: Any) -> bool:
    """Whether a return annotation promises content blocks: ``Content``, one of its types, a sequence of them, or a
    ``ToolResult``."""
    if isinstance(annotation, type):
        return issubclass(annotation, (Text, Image, Audio, Link, Embedded, ToolResult))
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return gives_content(parts[0])
    if origin in (typing.Union, types.UnionType):
        return all(gives_content(part) for part in parts)
    return isinstance(origin, type) and issubclass(origin, Sequence) and bool(parts) and gives_content(parts[0])
