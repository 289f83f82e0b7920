"""Waiting for a run on behalf of a call: how long, what is told meanwhile, and what is asked.

Progress goes out under the client's token, logs where the client asked for them; in the older era the run's questions
go out as requests. A call that
stops waiting leaves its run as it is: it is durable and does not belong to the request. So closing an HTTP stream ends
the request alone, since a broken connection looks the same; ``notifications/cancelled`` says what the client wants, and
cancels the run too.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing

from dragoman.engine import Engine, RunRequest, SlowSubscriber
from dragoman.mcp.call import Call, Resumable, detach
from dragoman.mcp.elicitation import Desk
from dragoman.mcp.logs import asks_for_logs, send_log
from dragoman.mcp.progress import send_progress
from dragoman.mcp.settings import McpSettings
from dragoman.memory.errors import RunEnded
from dragoman.memory.model import Principal, Run, RunStatus

__all__ = ["Patience", "cancel_quietly"]


async def cancel_quietly(engine: Engine, principal: Principal, run_id: str, reason: str) -> None:
    """Cancel a run; one that has ended is let be."""
    try:
        await engine.cancel(principal, run_id, reason)
    except RunEnded:
        return


class Patience:
    """Waits for runs, each call within its time."""

    def __init__(self, engine: Engine, settings: McpSettings, desk: Desk) -> None:
        self._engine = engine
        self._settings = settings
        self._desk = desk

    async def start(self, call: Call, request: RunRequest) -> Run:
        """Open a run for a call and wait for it."""
        if self._tells(call):
            run = await self._engine.accept(call.principal, request)
        else:
            run = await self._engine.run(call.principal, request, self._settings.inline_wait)
        return await self._go_on(call, run)

    async def detach(self, call: Call, request: RunRequest) -> Run:
        """Open a run for a call, and do not wait for it."""
        run = await self._engine.accept(call.principal, request)
        call.run_id = run.id
        return await self._taken_back(call, run) if call.withdrawn else run

    async def resume(self, call: Call, run: Run) -> Run:
        """Wait for a run that is there already."""
        if not run.settled and not self._tells(call):
            run = await self._engine.wait(call.principal, run.id, self._settings.inline_wait)
        return await self._go_on(call, run)

    async def watch(self, call: Call, run: Run) -> Run:
        """Wait for a run without telling or asking anything."""
        if not run.settled:
            run = await self._engine.wait(call.principal, run.id, self._settings.inline_wait)
        if not run.settled:
            await call.channel.open()
            run = await self._engine.wait(call.principal, run.id, self._rest)
        return run

    async def _go_on(self, call: Call, run: Run) -> Run:
        call.run_id = run.id
        if call.withdrawn:
            return await self._taken_back(call, run)
        asks = not call.modern and call.askable and call.channel.streams
        done = run.ended or (run.status is RunStatus.WAITING and not asks)
        if done or call.detaches:
            return run
        await call.channel.open()
        if asks or self._tells(call) or isinstance(call.channel, Resumable):
            return await self._follow(call, run, asks)
        return await self._engine.wait(call.principal, run.id, self._rest)

    async def _taken_back(self, call: Call, run: Run) -> Run:
        await cancel_quietly(self._engine, call.principal, run.id, "the request was cancelled")
        return await self._engine.get(call.principal, run.id)

    @property
    def _rest(self) -> float:
        return max(0.0, self._settings.call_wait - self._settings.inline_wait)

    @staticmethod
    def _tells(call: Call) -> bool:
        """Whether the client wants progress or logs and can be told. A task has none ("Task Status Notifications")."""
        wants = call.progress_token is not None or asks_for_logs(call)
        return wants and call.channel.streams and not call.detaches

    async def _follow(self, call: Call, run: Run, asks: bool) -> Run:
        loop = asyncio.get_running_loop()
        until = loop.time() + self._settings.call_wait
        limit = asyncio.timeout_at(until)
        told = float("-inf")
        events = self._engine.subscribe(call.principal, run.thread_id, call.seen, run.id, until_ended=asks)
        try:
            async with limit, aclosing(events):
                async for event in events:
                    call.seen = event.seq
                    if event.type == "progress" and event.data["progress"] > told:
                        told = event.data["progress"]
                        await send_progress(call, event.data)
                    elif event.type == "log":
                        await send_log(call, event.data["level"], event.data["data"], event.data.get("logger"))
                    elif event.type == "detach":
                        await detach(call, event.data["retry"])
                    elif event.type == "run.waiting" and asks:
                        view = await self._engine.view(call.principal, run.id)
                        if view.run.status is not RunStatus.WAITING:
                            continue
                        if not await self._desk.ask(call, view, limit):
                            break
                        limit.reschedule(max(until, loop.time() + self._settings.elicit_wait))
        except SlowSubscriber:
            return await self._engine.wait(call.principal, run.id, self._rest)
        except TimeoutError:
            if not limit.expired():
                raise
        finally:
            self._desk.forget(call)
        return await self._engine.get(call.principal, run.id)
