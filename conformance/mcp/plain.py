"""Fixtures that answer within their request and ask nothing: content, errors, progress, log messages, schemas."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import Field

from dragoman.agents import Audio, CallContext, Content, Embedded, Image, Text, tool

PIXEL: Final = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg=="
)
SILENCE: Final = base64.b64decode("UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAAB9AAACABAAZGF0YQIAAAA=")
PERSON: Final[Mapping[str, Any]] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }
    },
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}


@tool(expose=True)
async def test_simple_text() -> str:
    """Answers with a text."""
    return "This is a simple text response for testing."


@tool(expose=True)
async def test_image_content() -> Image:
    """Answers with a picture."""
    return Image(data=PIXEL)


@tool(expose=True)
async def test_audio_content() -> Audio:
    """Answers with a sound."""
    return Audio(data=SILENCE)


@tool(expose=True)
async def test_embedded_resource() -> Embedded:
    """Answers with a resource and what it holds."""
    return Embedded(
        uri="test://embedded-resource", mime_type="text/plain", text="This is an embedded resource content."
    )


@tool(expose=True)
async def test_multiple_content_types() -> list[Content]:
    """Answers with a text, a picture and a resource."""
    return [
        Text(text="Multiple content types test:"),
        Image(data=PIXEL),
        Embedded(uri="test://mixed-content-resource", mime_type="application/json", text='{"test":"data","value":123}'),
    ]


@tool(expose=True)
async def test_error_handling() -> str:
    """Always fails."""
    raise RuntimeError("This tool intentionally returns an error for testing")


@tool(expose=True)
async def test_tool_with_progress(ctx: CallContext) -> str:
    """Tells of its progress three times."""
    for done in (0, 50, 100):
        await ctx.progress(done, 100, f"Completed {done} of 100")
        await asyncio.sleep(0.05)
    return "Tool with progress executed successfully"


@tool(expose=True)
async def test_tool_with_logging(ctx: CallContext) -> str:
    """Logs three times."""
    await ctx.log("Tool execution started")
    await asyncio.sleep(0.05)
    await ctx.log("Tool processing data")
    await asyncio.sleep(0.05)
    await ctx.log("Tool execution completed")
    return "Tool with logging executed successfully"


@tool(expose=True)
async def test_logging_tool(ctx: CallContext) -> str:
    """Logs, whether its caller wants to hear of it or not."""
    await ctx.log("Logging is evaluated")
    return "Logging evaluated"


@tool(expose=True)
async def test_reconnection(ctx: CallContext) -> str:
    """Closes the stream of its call before it answers."""
    await ctx.detach(retry=0.5)
    await asyncio.sleep(0.1)
    return "Reconnection test completed successfully: the answer came on the second stream."


@tool(expose=True, input_schema=PERSON)
async def json_schema_2020_12_tool(person: Mapping[str, Any]) -> str:
    """Takes an input whose JSON Schema its author wrote."""
    return f"Valid: {', '.join(person)}"


@tool(expose=True)
async def test_x_mcp_header(
    region: Annotated[str, Field(description="Where to do it", json_schema_extra={"x-mcp-header": "Region"})],
) -> str:
    """Takes an argument that a header repeats."""
    return f"Done in {region}"


@tool(expose=True)
async def greet(name: str) -> str:
    """Greets by name."""
    return f"Hello, {name}!"
