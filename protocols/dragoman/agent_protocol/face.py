"""What the handlers of both surfaces share: the engine, the settings, and how a run is found, waited for and
streamed."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from urllib.parse import quote

from dragoman.agent_protocol import project, project_sdk
from dragoman.agent_protocol.endpoint import Answer, Call, Header
from dragoman.agent_protocol.settings import AgentProtocolSettings
from dragoman.agent_protocol.shapes import is_uuid
from dragoman.agent_protocol.sse import Position, RunStream
from dragoman.agent_protocol.surface import Surface
from dragoman.agent_protocol.unheard import Unheard
from dragoman.agent_protocol.waiting import RunWait, answer_when_settled
from dragoman.agents import Agent
from dragoman.engine import Engine
from dragoman.engine.assistants import own_assistant_id
from dragoman.memory.errors import AgentNotFound, InputInvalid, RunNotFound, ThreadNotFound
from dragoman.memory.ledger import RunFilter
from dragoman.memory.model import ACTIVE, Json, Page, Run, RunStatus, RunView

__all__ = ["Face", "location"]

_PAGE = 200


class Face:
    """The Agent Protocol face over one engine."""

    def __init__(self, engine: Engine, settings: AgentProtocolSettings) -> None:
        self.engine = engine
        self.settings = settings
        self.unheard = Unheard()
        self._assistants: Mapping[str, Agent] = {own_assistant_id(a.name): a for a in engine.agents.values()}

    # -- finding ------------------------------------------------------------------------------------------------------
    def agent(self, name: str | None) -> Agent:
        """An agent by its name, or by its own assistant's id; None is the default one. Raises ``AgentNotFound``."""
        wanted = name or self.settings.default_agent or next(iter(self.engine.agents), "")
        found = self.engine.agents.get(wanted) or self._assistants.get(wanted)
        if found is None:
            known = ", ".join(self.engine.agents) or "none"
            raise AgentNotFound(f"There is no agent {wanted[:80]!r} here; there are: {known}.")
        return found

    async def thread_id(self, call: Call) -> str:
        """The path's thread id, as ``checked_thread_id``."""
        return await self.checked_thread_id(call, call.path("thread_id"))

    async def checked_thread_id(self, call: Call, name: str) -> str:
        """A thread's id. One that is no UUID is refused, unless a peer of another protocol made that thread."""
        if not is_uuid(name):
            try:
                await self.engine.thread(call.principal, name)
            except ThreadNotFound:
                raise _not_a_uuid("thread_id") from None
        return name

    async def run(self, call: Call) -> Run:
        """The path's run, on the path's thread where it has one. Raises ``RunNotFound``."""
        name = call.path("run_id")
        if not is_uuid(name):
            raise _not_a_uuid("run_id")
        run = await self.engine.get(call.principal, name)
        if call.scope["path_params"].get("thread_id", run.thread_id) != run.thread_id:
            raise RunNotFound(f"No run {name!r} on this thread.")
        return run

    async def active(self, call: Call, thread_id: str, statuses: frozenset[RunStatus] = ACTIVE) -> Sequence[RunView]:
        """The thread's runs that have not ended, oldest first."""
        where = RunFilter(thread_id=thread_id, statuses=statuses)
        return [view async for view in self.runs(call, where)][::-1]

    async def runs(self, call: Call, where: RunFilter, first: int = _PAGE) -> AsyncGenerator[RunView]:
        """All runs of a filter, newest first, read page by page; ``first`` are expected to do."""
        cursor: str | None = None
        size = min(first, _PAGE)
        while True:
            page: Page[RunView] = await self.engine.list_runs(call.principal, where, size, cursor)
            for view in page.items:
                yield view
            cursor, size = page.cursor, _PAGE
            if cursor is None:
                return

    async def listed(
        self, call: Call, where: RunFilter, fits: Callable[[Run], bool], offset: int, limit: int
    ) -> Sequence[RunView]:
        """A page of runs by offset."""
        found: list[RunView] = []
        async for view in self.runs(call, where, max(offset + limit, 1)):
            if fits(view.run):
                found.append(view)
            if len(found) >= offset + limit:
                break
        return found[offset:]

    # -- waiting and streaming ----------------------------------------------------------------------------------------
    async def result(self, call: Call, run: Run) -> Json:
        """A run as the one who waited for it gets it, on the call's surface."""
        view = await self.engine.view(call.principal, run)
        values = await self.engine.values_after(call.principal, run)
        return (project.result if call.surface is Surface.AGENT_PROTOCOL else project_sdk.result)(view, values)

    async def wait(self, call: Call, run: Run, *, cancel_on_leave: bool) -> Answer:
        """The answer to a wait for a run, given as it was after ``patience``."""
        where = location(call.surface, run).encode()
        back = where + (b"/wait" if call.surface is Surface.AGENT_PROTOCOL else b"/join")
        headers: list[Header] = [(b"content-location", where), (b"location", back)]

        async def result(settled: Run) -> Json:
            return await self.result(call, settled)

        patient = RunWait(
            self.engine,
            self.settings,
            call.principal,
            run,
            surface=call.surface,
            result=result,
            headers=headers,
            cancel_on_leave=cancel_on_leave,
        )
        return await answer_when_settled(run, result, headers, patient)

    def stream(
        self,
        call: Call,
        run: Run,
        modes: Sequence[str],
        after: Position | None,
        *,
        cancel_on_leave: bool,
        begin: int | None = None,
        subgraphs: bool = False,
    ) -> RunStream:
        """The answer that streams a run, see ``RunStream``. ``Location`` carries the modes: a client that comes back
        says nothing of them."""
        where = location(call.surface, run)
        query = "&".join([*(f"stream_mode={mode}" for mode in modes), *(["stream_subgraphs=true"] * subgraphs)])
        return RunStream(
            self.engine,
            self.settings,
            call.principal,
            run,
            surface=call.surface,
            modes=modes,
            after=after,
            begin=begin,
            cancel_on_leave=cancel_on_leave,
            subgraphs=subgraphs,
            headers=[("Content-Location", where), ("Location", f"{where}/stream?{query}")],
        )


def _not_a_uuid(field: str) -> InputInvalid:
    """The error for an id that is not one."""
    return InputInvalid(f"{field} must be a UUID.", ({"field": field, "problem": "must be a UUID"},))


def location(surface: Surface, run: Run) -> str:
    """The path of a run. The id of a thread may be another protocol's, of any characters."""
    if surface is Surface.AGENT_PROTOCOL:
        return f"/runs/{run.id}"
    return f"/threads/{quote(run.thread_id, safe='')}/runs/{run.id}"
