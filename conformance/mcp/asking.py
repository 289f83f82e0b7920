"""Fixtures that ask their caller: elicitation in the older era, multi round-trip requests in the modern one."""

from __future__ import annotations

import json
from typing import Final

from pydantic import BaseModel, Field

from dragoman.agents import Context, agent
from dragoman.memory.model import Json


class Contact(BaseModel):
    """How to reach the user."""

    username: str = Field(description="User's response")
    email: str = Field(description="User's email address")


class Name(BaseModel):
    """A name."""

    name: str


class Color(BaseModel):
    """A color."""

    color: str


class Confirmed(BaseModel):
    """A yes or no."""

    ok: bool


DEFAULTS: Final[dict[str, Json]] = {
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


@agent(description="Asks the user for information")
async def test_elicitation(ctx: Context, message: str) -> str:
    contact: Contact = await ctx.interrupt(message, schema=Contact, key="contact")
    return f"User response: action=accept, content={contact.model_dump_json()}"


@agent(description="Asks with defaults for every primitive type")
async def test_elicitation_sep1034_defaults(ctx: Context) -> str:
    content = await ctx.interrupt("Please review and update the form fields with defaults", schema=DEFAULTS)
    return f"Elicitation completed: action=accept, content={json.dumps(content)}"


@agent(description="Asks for a name")
async def test_input_required_result_elicitation(ctx: Context) -> str:
    answer: Name = await ctx.interrupt("What is your name?", schema=Name, key="user_name")
    return f"Hello, {answer.name}!"


@agent(description="Asks to confirm, and keeps its place in requestState")
async def test_input_required_result_request_state(ctx: Context) -> str:
    await ctx.interrupt("Please confirm", schema=Confirmed, key="confirm")
    return "state-ok: requestState validated"


@agent(description="Asks to confirm; a changed requestState is refused")
async def test_input_required_result_tampered_state(ctx: Context) -> str:
    await ctx.interrupt("Please confirm", schema=Confirmed, key="confirm")
    return "integrity-ok: state verified"


@agent(description="Asks twice, one after the other")
async def test_input_required_result_multi_round(ctx: Context) -> str:
    who: Name = await ctx.interrupt("Step 1: What is your name?", schema=Name, key="step1")
    what: Color = await ctx.interrupt("Step 2: What is your favorite color?", schema=Color, key="step2")
    return f"Multi-round complete for {who.name} who likes {what.color}"
