"""Agents that have something to stream; served by the command too."""

from __future__ import annotations

import asyncio

from dragoman.agents import Context, agent, tool

GATES: dict[str, tuple[asyncio.Event, asyncio.Event]] = {}


def gate(name: str) -> tuple[asyncio.Event, asyncio.Event]:
    """Whether an agent has reached a gate, and whether it may go on."""
    return GATES.setdefault(name, (asyncio.Event(), asyncio.Event()))


async def doubled(number: int) -> int:
    return number * 2


@tool
async def look_up(ctx: Context, word: str) -> str:
    """Looks a word up."""
    await ctx.stream_text(f"[{word}]")
    return word.upper()


@agent(description="Says what it was told, word by word.")
async def talker(ctx: Context, text: str) -> str:
    for word in text.split():
        await ctx.stream_text(f"{word} ")
    return text


@agent(description="Does one of everything.")
async def everything(ctx: Context, text: str) -> str:
    await ctx.emit("note", {"text": text})
    await ctx.progress(1, 2, "half")
    await ctx.stream_text("so ")
    found = await ctx.step(look_up, text)
    await ctx.update({"found": found, "number": await ctx.step(doubled, 4)})
    return f"so {found}"


@agent(description="Asks, then says what it was answered.")
async def asker(ctx: Context, text: str) -> str:
    await ctx.stream_text("well ")
    answer = await ctx.ask(f"Sure about {text}?", key="sure")
    return f"{text}: {answer}"


@agent(description="Says it in a step, looks something up, then asks, as a model with tools does.")
async def replier(ctx: Context, text: str) -> str:
    async def reply() -> str:
        for word in text.split():
            await ctx.stream_text(f"{word} ")
        return text

    said = await ctx.step(reply)
    await ctx.stream_text("by the way ")
    await ctx.step(doubled, 2)
    await ctx.ask("Done?", key="done")
    return said


@agent(description="Has others talk: one after the other, then two at once.")
async def caller(ctx: Context, text: str) -> str:
    await ctx.stream_text("calling ")
    first = await ctx.call("talker", {"text": text})
    both = await ctx.gather(
        ctx.call("everything", {"text": "a"}, key="a"), ctx.call("talker", {"text": "b c"}, key="b")
    )
    return f"{first} {both[0]} {both[1]}"


@agent(description="Has one talk that has another talk.")
async def deep(ctx: Context, text: str) -> str:
    return f"<{await ctx.call('caller', {'text': text})}>"


@agent(description="Has another ask.")
async def delegate(ctx: Context, text: str) -> str:
    return f"<{await ctx.call('asker', {'text': text})}>"


@agent(description="Says half, waits at a gate, and says the rest.")
async def halting(ctx: Context, text: str) -> str:
    reached, opened = gate(text)
    await ctx.stream_text("one ")
    reached.set()
    await opened.wait()
    await ctx.stream_text("two")
    return "one two"


@agent(description="Fails after it has said something.")
async def failing(ctx: Context, text: str) -> str:
    await ctx.stream_text("I am about to ")
    raise ValueError(f"cannot {text}")


@agent(description="Counts slowly enough to be interrupted, with steps between.")
async def counter(ctx: Context, count: int, pause: float = 0.0) -> str:
    for n in range(count):
        await ctx.stream_text(f"{n} ")
        if n % 10 == 9:
            await ctx.step(doubled, n)
            await ctx.update({"n": n})
        if n % 25 == 24:
            await ctx.call("talker", {"text": f"child {n}"})
        if pause:
            await asyncio.sleep(pause)
    return f"counted to {count}"


AGENTS = (talker, everything, asker, replier, caller, deep, delegate, halting, failing, counter)
