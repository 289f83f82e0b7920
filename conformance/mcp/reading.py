"""Fixtures that are read: resources, a template, prompts."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import Field

from dragoman.agents import Embedded, Image, Message, prompt, resource

PIXEL: Final = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg=="
)


@resource("test://static-text", mime_type="text/plain")
async def static_text() -> str:
    """A text that stays."""
    return "This is the content of the static text resource."


@resource("test://static-binary", mime_type="image/png")
async def static_binary() -> bytes:
    """A picture that stays."""
    return PIXEL


@resource("test://template/{id}/data", mime_type="application/json")
async def template_data(id: str) -> Mapping[str, Any]:
    """Data by id."""
    return {"id": id, "templateTest": True, "data": f"Data for ID: {id}"}


@resource("test://watched-resource", mime_type="text/plain")
async def watched_resource() -> str:
    """A text to subscribe to."""
    return "Watched resource content"


@prompt
async def test_simple_prompt() -> str:
    """A prompt without arguments."""
    return "This is a simple prompt for testing."


@prompt(complete={"arg1": ["testing", "tested", "other"], "arg2": ["second"]})
async def test_prompt_with_arguments(
    arg1: Annotated[str, Field(description="First test argument")],
    arg2: Annotated[str, Field(description="Second test argument")],
) -> str:
    """A prompt with two arguments."""
    return f"Prompt with arguments: arg1='{arg1}', arg2='{arg2}'"


@prompt(name="test_prompt_with_embedded_resource")
async def embedding_prompt(
    resource_uri: Annotated[str, Field(alias="resourceUri", description="URI of the resource to embed")],
) -> list[Message]:
    """A prompt that brings a resource along."""
    embedded = Embedded(uri=resource_uri, mime_type="text/plain", text="Embedded resource content for testing.")
    return [Message.of(embedded), Message.of("Please process the embedded resource above.")]


@prompt
async def test_prompt_with_image() -> list[Message]:
    """A prompt that brings a picture along."""
    return [Message.of(Image(data=PIXEL)), Message.of("Please analyze the image above.")]
