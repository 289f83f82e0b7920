"""Fixtures that change what is offered, while clients listen."""

from __future__ import annotations

from dragoman.agents import Catalog, Prompt, Tool, prompt, tool

changing = Catalog()


def passing_tool() -> Tool[[], str]:
    """A tool that comes and goes."""

    @tool(expose=True)
    async def passing() -> str:
        """Is not always there."""
        return "Here I am."

    return passing


def passing_prompt() -> Prompt:
    """A prompt that comes and goes."""

    @prompt
    async def passing() -> str:
        """Is not always there."""
        return "Say that you are there."

    return passing


@tool(expose=True)
async def test_trigger_tool_change() -> str:
    """Adds a tool, or removes it again."""
    known = changing.tools.get("passing")
    if known is None:
        changing.add(passing_tool())
    else:
        changing.remove(known)
    return "The list of tools has changed."


@tool(expose=True)
async def test_trigger_prompt_change() -> str:
    """Adds a prompt, or removes it again."""
    known = changing.prompts.get("passing")
    if known is None:
        changing.add(passing_prompt())
    else:
        changing.remove(known)
    return "The list of prompts has changed."
