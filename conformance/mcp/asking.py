"""Fixtures that ask their caller once: requests to clients of the older era, rounds with those of the modern one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel, Field

from dragoman.agents import CallContext, Declined, sample, tool


class Contact(BaseModel):
    """How to reach the user."""

    username: str = Field(description="User's response")
    email: str = Field(description="User's email address")


DEFAULTS: Final[Mapping[str, Any]] = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "description": "User name", "default": "John Doe"},
        "age": {"type": "integer", "description": "User age", "default": 30},
        "score": {"type": "number", "description": "User score", "default": 95.5},
        "status": {
            "type": "string",
            "description": "User status",
            "enum": ["active", "inactive", "pending"],
            "default": "active",
        },
        "verified": {"type": "boolean", "description": "Verification status", "default": True},
    },
    "required": [],
}
OPTIONS: Final = ["option1", "option2", "option3"]
ENUMS: Final[Mapping[str, Any]] = {
    "type": "object",
    "properties": {
        "untitledSingle": {"type": "string", "enum": OPTIONS},
        "titledSingle": {
            "type": "string",
            "oneOf": [
                {"const": "value1", "title": "First Option"},
                {"const": "value2", "title": "Second Option"},
                {"const": "value3", "title": "Third Option"},
            ],
        },
        "legacyEnum": {
            "type": "string",
            "enum": ["opt1", "opt2", "opt3"],
            "enumNames": ["Option One", "Option Two", "Option Three"],
        },
        "untitledMulti": {"type": "array", "items": {"type": "string", "enum": OPTIONS}},
        "titledMulti": {
            "type": "array",
            "items": {
                "anyOf": [
                    {"const": "value1", "title": "First Choice"},
                    {"const": "value2", "title": "Second Choice"},
                    {"const": "value3", "title": "Third Choice"},
                ]
            },
        },
    },
    "required": [],
}


async def asked(ctx: CallContext, message: str, schema: Mapping[str, Any] | type[BaseModel]) -> str:
    """What the user did, and with what content."""
    try:
        answer: Any = await ctx.interrupt(message, schema=schema)
    except Declined as declined:
        return f"action={declined.action}, content={{}}"
    content = answer.model_dump() if isinstance(answer, BaseModel) else answer
    return f"action=accept, content={json.dumps(content)}"


@tool(expose=True)
async def test_sampling(ctx: CallContext, prompt: str) -> str:
    """Asks the client's model."""
    answer = await sample(ctx, prompt, max_tokens=100)
    return f"LLM response: {answer['content']['text']}"


@tool(expose=True)
async def test_elicitation(ctx: CallContext, message: str) -> str:
    """Asks the user how to reach them."""
    return f"User response: {await asked(ctx, message, Contact)}"


@tool(expose=True)
async def test_elicitation_sep1034_defaults(ctx: CallContext) -> str:
    """Asks with a default of each primitive type."""
    told = await asked(ctx, "Please review and update the form fields with defaults", DEFAULTS)
    return f"Elicitation completed: {told}"


@tool(expose=True)
async def test_elicitation_sep1330_enums(ctx: CallContext) -> str:
    """Asks for choices, in each way that a schema can say them."""
    return f"Elicitation completed: {await asked(ctx, 'Please select options from the enum fields', ENUMS)}"


@tool(expose=True)
async def test_streaming_elicitation(ctx: CallContext) -> str:
    """Tells of its progress, then asks."""
    await ctx.progress(50, 100)
    return f"User response: {await asked(ctx, 'How can we reach you?', Contact)}"


@tool(expose=True)
async def test_missing_capability(ctx: CallContext) -> str:
    """Needs a client whose model can be asked."""
    await sample(ctx, "Say that you are there.", max_tokens=10)
    return "Success"
