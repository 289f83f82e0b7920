"""Fixtures of multi round-trip requests. Plain functions and runs ask in the same words; both are here."""

from __future__ import annotations

import asyncio

from pydantic import BaseModel

from dragoman.agents import CallContext, CannotAsk, Context, list_roots, prompt, sample, tool


class Name(BaseModel):
    """A name."""

    name: str


class Color(BaseModel):
    """A color."""

    color: str


class Confirmed(BaseModel):
    """A yes or no."""

    ok: bool


class Background(BaseModel):
    """What a prompt is to be rendered for."""

    context: str


async def name_of_user(ctx: CallContext, message: str, key: str) -> str:
    """Ask for a name."""
    answer: Name = await ctx.interrupt(message, schema=Name, key=key)
    return answer.name


@tool(expose=True)
async def test_input_required_result_elicitation(ctx: CallContext) -> str:
    """Asks for a name."""
    return f"Hello, {await name_of_user(ctx, 'What is your name?', 'user_name')}!"


@tool(expose=True)
async def test_input_required_result_sampling(ctx: CallContext) -> str:
    """Asks the client's model."""
    answer = await sample(ctx, "What is the capital of France?", max_tokens=100, key="capital_question")
    return str(answer["content"]["text"])


@tool(expose=True)
async def test_input_required_result_list_roots(ctx: CallContext) -> str:
    """Asks the client for its roots."""
    return f"Found {len(await list_roots(ctx, key='client_roots'))} root(s)"


@tool(expose=True)
async def test_input_required_result_request_state(ctx: CallContext) -> str:
    """Asks to confirm, and keeps its place in requestState."""
    await ctx.interrupt("Please confirm", schema=Confirmed, key="confirm")
    return "state-ok: requestState validated"


@tool(expose=True)
async def test_input_required_result_multiple_inputs(ctx: Context) -> str:
    """Asks the user, the client's model and the client at the same time. A run."""
    name, greeting, roots = await asyncio.gather(
        name_of_user(ctx, "What is your name?", "user_name"),
        sample(ctx, "Generate a greeting", max_tokens=50, key="greeting"),
        list_roots(ctx, key="client_roots"),
    )
    return f"{greeting['content']['text']} {name}, of {len(roots)} root(s)"


@tool(expose=True)
async def test_input_required_result_multi_round(ctx: Context) -> str:
    """Asks twice, one after the other. A run."""
    name = await name_of_user(ctx, "Step 1: What is your name?", "step1")
    what: Color = await ctx.interrupt("Step 2: What is your favorite color?", schema=Color, key="step2")
    return f"Multi-round complete for {name} who likes {what.color}"


@tool(expose=True)
async def test_input_required_result_tampered_state(ctx: Context) -> str:
    """Asks to confirm; a changed requestState is refused. A run."""
    await ctx.interrupt("Please confirm", schema=Confirmed, key="confirm")
    return "integrity-ok: state verified"


@tool(expose=True)
async def test_input_required_result_capabilities(ctx: CallContext) -> str:
    """Asks the user for a name or, where the client does not let it, the client's model."""
    try:
        return f"Hello, {await name_of_user(ctx, 'What is your name?', 'user_name')}!"
    except CannotAsk:
        answer = await sample(ctx, "Make up a name.", max_tokens=20, key="made_up")
        return f"Hello, {answer['content']['text']}!"


@prompt
async def test_input_required_result_prompt(ctx: CallContext) -> str:
    """A prompt that asks what it is for."""
    given: Background = await ctx.interrupt(
        "What context should the prompt use?", schema=Background, key="user_context"
    )
    return f"Answer in this context: {given.context}"
