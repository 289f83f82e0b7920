"""Runs in a ledger that this process has open: an engine, started or not. See ``Host``."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any

from dragoman.agents.loader import load_agents
from dragoman.auth import LOCAL
from dragoman.cli.errors import CommandError
from dragoman.cli.host import PHASES, Happening, Host, Input, note_of_progress
from dragoman.cli.phase import Phase
from dragoman.engine import UNSET, Engine, RunRequest
from dragoman.memory.ledger import RunFilter
from dragoman.memory.model import Event, Json, RunView
from dragoman.settings import Settings
from dragoman.settings.faces import remote_peers
from dragoman.settings.storage import is_there, made_ledger

__all__ = ["LocalHost", "local_host"]


@asynccontextmanager
async def local_host(settings: Settings, *, works: bool) -> AsyncGenerator[Host]:
    """An engine over the ledger; with ``works`` it has the agents, is started, and drives runs."""
    if not works and not is_there(settings):
        raise CommandError(f"No server is running here, and there is no ledger at {settings.storage_path}.")
    agents = load_agents(settings.sources()) if works else ()
    ledger = made_ledger(settings)
    await ledger.open()
    try:
        engine = Engine(ledger, agents, settings.engine.to_engine(), peers=remote_peers(settings))
        if works:
            await engine.start()
        try:
            yield LocalHost(engine, settings.storage_shown)
        except BaseException:
            await engine.stop(grace=0)  # a person who interrupts does not wait; the run is handed back
            raise
        await engine.stop()
    finally:
        await ledger.close()


class LocalHost:
    """An engine over the ledger, in this process."""

    shared = False

    def __init__(self, engine: Engine, where: str) -> None:
        self.where = where
        self._engine = engine
        self._seen: dict[str, int] = {}

    async def open(self, agent: str, given: Input, thread: str | None) -> RunView:
        """See ``Host``."""
        value = UNSET if given.value is None else given.value
        request = RunRequest(agent, value, given.text, thread_id=thread, wait=False)
        return await self.get((await self._engine.accept(LOCAL, request)).id)

    async def watch(self, run: RunView) -> AsyncGenerator[Happening, None]:
        """See ``Host``."""
        of = run.run
        events = self._engine.subscribe(LOCAL, of.thread_id, self._seen.get(of.id, 0), of.id)
        async with aclosing(events):
            async for event in events:
                self._seen[of.id] = event.seq
                if (happening := _happening(event)) is not None:
                    yield happening

    async def get(self, run_id: str) -> RunView:
        """See ``Host``."""
        return await self._engine.view(LOCAL, run_id)

    async def answer(self, run_id: str, answers: Mapping[str, Json]) -> RunView:
        """See ``Host``."""
        return await self.get((await self._engine.answer(LOCAL, run_id, answers)).id)

    async def runs(self, phase: Phase | None, agent: str | None, limit: int) -> Sequence[RunView]:
        """See ``Host``."""
        where = RunFilter(agent=agent, statuses=PHASES[phase] if phase else None)
        if self._engine.ledger.polls is not None:  # others may be at work on it
            await self._engine.presence.look()
        return (await self._engine.list_runs(LOCAL, where, limit)).items


def _happening(event: Event) -> Happening | None:
    data: Mapping[str, Any] = event.data
    match event.type:
        case "text":
            return Happening("text", data["text"])
        case "progress":
            return Happening("note", note_of_progress(data))
        case "step.finished" | "step.failed" | "step.retried":
            return Happening("note", f"{data['step']} {event.type.removeprefix('step.')}")
        case "artifact":
            return Happening("note", f"wrote {data['name']}")
        case _:
            return None
