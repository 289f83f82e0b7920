"""What a peer tells, as events of our own run: its prose, its progress, its files, all under the step that called it.

A peer that is followed again tells anew what it had told. What our log has of it already is not repeated; where the
peer took something back, the log says so (``step.retried``) and has all of it again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from dragoman.agents.remote import RemoteFile, Told
from dragoman.engine.ports import Activity
from dragoman.engine.steps import StepFrame, current_step
from dragoman.memory.ledger import NewEvent
from dragoman.memory.model import Event, Json

__all__ = ["RemoteEvents"]

_PAGE = 1000


class RemoteEvents:
    """Tells of one call. ``known`` says that an earlier activation may have told of it."""

    def __init__(self, ctx: Activity, key: str, *, known: bool) -> None:
        self._ctx = ctx
        self._key = key
        self._pieces: list[str] | None = None if known else []
        self._steps = 0
        self._seen: list[str] = []
        self._behind = known

    def begin(self) -> None:
        """Another stream begins: it may tell what was told before."""
        self._seen, self._behind = [], self._pieces is None or bool(self._pieces)

    async def tell(self, told: Told) -> None:
        """Append what is new."""
        token = current_step.set(StepFrame(self._ctx.run_id, self._key))  # so that the events carry the step
        try:
            await self._prose(told)
            if told.progress is not None:
                await self._progress(told.progress)
            if told.event is not None:
                await self._ctx.emit(*told.event)
            for file in told.files:
                if not told.again or not await self._has(file):
                    await self._file(file)
        finally:
            current_step.reset(token)

    async def _prose(self, told: Told) -> None:
        """Tell what a stream told beyond what our log has. Once it has caught up its pieces are taken as they come."""
        if told.again:
            self._seen, self._behind = [told.task.text], True
        elif not self._behind:
            if told.text:
                await self._text(told.text)
            return
        self._seen.append(told.text)
        whole, so_far = "".join(self._seen), "".join(await self._told_so_far())
        if not whole or (so_far.startswith(whole) and whole != so_far):
            return
        if not whole.startswith(so_far):
            self._ctx.recorder.note(NewEvent("step.retried", {"step": self._key, "reason": "peer", "try": 1}))
            self._pieces, so_far = [], ""
        self._seen, self._behind = [], False
        if rest := whole[len(so_far) :]:
            await self._text(rest)

    async def _text(self, text: str) -> None:
        (await self._told_so_far()).append(text)
        await self._ctx.stream_text(text)

    async def _progress(self, told: Mapping[str, Json]) -> None:
        """A peer that only says what it does, and not how far it is, is counted."""
        await self._told_so_far()
        self._steps += 1
        self._ctx.recorder.note(NewEvent("progress", {"progress": self._steps, **told, "step": self._key}))

    async def _has(self, file: RemoteFile) -> bool:
        view = await self._ctx.engine.view(self._ctx.principal, self._ctx.run_id)
        return any(kept.name == file.name and kept.data == file.data for kept in view.artifacts)

    async def _file(self, file: RemoteFile) -> None:
        if file.data is not None:
            await self._ctx.artifact(file.name, file.data, mime_type=file.mime_type)

    async def _told_so_far(self) -> list[str]:
        if self._pieces is None:
            log = await self._log()
            self._pieces = _of_step(log, self._key)
            self._steps = sum(e.type == "progress" and e.data.get("step") == self._key for e in log)
        return self._pieces

    async def _log(self) -> list[Event]:
        run, events = self._ctx.run, list[Event]()
        while True:
            after = events[-1].seq if events else 0
            page = await self._ctx.engine.ledger.events(run.tenant, run.thread_id, after, _PAGE, run.id)
            events += page
            if len(page) < _PAGE:
                return events


def _of_step(events: Iterable[Event], key: str) -> list[str]:
    pieces: list[str] = []
    for event in events:
        if event.data.get("step") != key:
            continue
        if event.type == "text":
            pieces.append(str(event.data["text"]))
        elif event.type == "step.retried":
            pieces.clear()
    return pieces
