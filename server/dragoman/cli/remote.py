"""Runs in a server, over Agent Protocol 0.1.6: what the commands need of it, as the model's values.

Not a client library: ``langgraph-sdk`` and any HTTP client are. Statuses come back lossy, as the protocol has them.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import httpx

from dragoman.cli.errors import CommandError
from dragoman.cli.host import Happening, Host, Input, note_of_progress, phase_of
from dragoman.cli.phase import Phase
from dragoman.memory.model import Failure, FailureKind, Interrupt, InterruptKind, Json, Run, RunStatus, RunView

__all__ = ["RemoteHost", "remote_host"]

PAGE = 100
_HELD = "dragoman/held"
_STATUSES: Mapping[Phase, tuple[str, ...]] = {
    Phase.ACTIVE: ("pending",),
    Phase.WAITING: ("interrupted",),
    Phase.SUCCEEDED: ("success",),
    Phase.FAILED: ("error", "timeout"),
    Phase.CANCELLED: ("interrupted",),
}


@asynccontextmanager
async def remote_host(url: str, key: str | None) -> AsyncGenerator[Host]:
    """The server at ``url``. Raises ``CommandError`` when it cannot be reached or refuses."""
    headers = {"authorization": f"Bearer {key}"} if key else {}
    # A run may think for long between two lines of its stream; the server sends a sign of life every few seconds.
    timeout = httpx.Timeout(10.0, read=60.0)
    async with httpx.AsyncClient(base_url=url.rstrip("/"), headers=headers, timeout=timeout) as client:
        try:
            yield RemoteHost(client)
        except httpx.ConnectError:
            raise CommandError(f"No server answers at {url}.") from None
        except httpx.TransportError as error:
            raise CommandError(f"The connection to {url} broke: {error or type(error).__name__}.") from None


class RemoteHost:
    """See ``Host``."""

    shared = True

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.where = str(client.base_url).rstrip("/")
        self._client = client
        self._seen: dict[str, str] = {}

    async def open(self, agent: str, given: Input, thread: str | None) -> RunView:
        """See ``Host``."""
        body: dict[str, Json] = {"agent_id": agent, "on_disconnect": "continue", "if_not_exists": "create"}
        if thread is not None:
            body["thread_id"] = thread
        if given.text is not None:
            body["messages"] = [{"role": "user", "content": given.text}]
        else:
            body["input"] = given.value
        return _view(await self._ask("POST", "/runs", body))

    async def watch(self, run: RunView) -> AsyncGenerator[Happening, None]:
        """See ``Host``."""
        query = {"stream_mode": ["messages", "updates", "custom"]}
        headers = {"last-event-id": self._seen.get(run.run.id, "0")}  # 0: from the run's first event on
        async with self._client.stream("GET", f"/runs/{run.run.id}/stream", params=query, headers=headers) as answer:
            await _check(answer)
            async for event, data, number in _frames(answer):
                if number:
                    self._seen[run.run.id] = number
                for happening in _happenings(event, data, run.run.agent):
                    yield happening

    async def get(self, run_id: str) -> RunView:
        """See ``Host``."""
        view = _view(await self._ask("GET", f"/runs/{run_id}"))
        if view.run.status is not RunStatus.SUCCEEDED:
            return view
        return _view_of_result(await self._ask("GET", f"/runs/{run_id}/wait"))

    async def answer(self, run_id: str, answers: Mapping[str, Json]) -> RunView:
        """See ``Host``."""
        await self._ask("POST", f"/runs/{run_id}/resume", {"answers": dict(answers)})
        return await self.get(run_id)

    async def runs(self, phase: Phase | None, agent: str | None, limit: int) -> Sequence[RunView]:
        """See ``Host``."""
        found: list[RunView] = []
        for status in _STATUSES[phase] if phase else (None,):
            found += await self._search(status, agent, limit, phase)
        return sorted(found, key=lambda view: view.run.created_at, reverse=True)[:limit]

    async def _search(self, status: str | None, agent: str | None, limit: int, phase: Phase | None) -> list[RunView]:
        """Runs of one status on the wire; ``interrupted`` holds two of ours, so that pages are read until enough
        fit."""
        body: dict[str, Json] = {"limit": PAGE, "offset": 0}
        body |= {k: v for k, v in (("status", status), ("agent_id", agent)) if v is not None}
        fitting: list[RunView] = []
        while len(fitting) < limit:
            page = [_view(run) for run in await self._ask("POST", "/runs/search", body)]
            fitting += [view for view in page if phase is None or phase is phase_of(view.run.status)]
            if len(page) < PAGE:
                break
            body["offset"] += PAGE
        return fitting

    async def _ask(self, method: str, path: str, body: Mapping[str, Json] | None = None) -> Any:
        answer = await self._client.request(method, path, json=body)
        await _check(answer)
        return answer.json()


async def _check(answer: httpx.Response) -> None:
    """Raise what an error answer says."""
    if answer.is_success:
        return
    if answer.status_code == 401:
        raise CommandError("The server asks for an API key: give --key, or set DRAGOMAN_KEY (`dragoman keys create`).")
    await answer.aread()
    try:
        told: Any = answer.json()
        message = str(told.get("message") or told.get("detail"))
    except (ValueError, AttributeError):
        message = f"HTTP {answer.status_code} from {answer.url}"
    raise CommandError(message)


async def _frames(answer: httpx.Response) -> AsyncIterator[tuple[str, Any, str]]:
    """Server-sent events: name, data, id (HTML, section 9.2.6)."""
    fields: dict[str, str] = {}
    async for line in answer.aiter_lines():
        if line:
            name, _, value = line.partition(":")
            fields[name] = (
                f"{fields[name]}\n{value.removeprefix(' ')}" if name == "data" in fields else value.removeprefix(" ")
            )
        elif "data" in fields:
            yield fields.get("event", "message"), json.loads(fields["data"]), fields.get("id", "")
            fields = {}
        else:
            fields = {}


def _happenings(event: str, data: Any, agent: str) -> list[Happening]:
    if event not in ("messages", "updates", "custom"):
        return []
    metadata: Mapping[str, Any] = data.get("metadata") or {}
    if event == "messages" and metadata.get("partial") and not metadata.get("replaces"):
        return [Happening("text", data["content"])]
    if event == "updates":
        return [Happening("note", f"{step} finished") for step in data if step not in ("__interrupt__", agent)]
    if event == "custom" and data.get("name") == "progress":
        return [Happening("note", note_of_progress(data["data"]))]
    if event == "custom" and data.get("name") == "artifact":
        return [Happening("note", f"wrote {data['data'].get('name')}")]
    return []


def _view_of_result(result: Mapping[str, Any]) -> RunView:
    values: Mapping[str, Any] = result.get("values") or {}
    return _view(result["run"], values.get("output"))


def _view(run: Mapping[str, Any], output: Json = None) -> RunView:
    """A Run of the protocol as a view; only the open questions are known, and nothing of its artifacts."""
    error: Mapping[str, Any] = run.get("error") or {}
    metadata: Mapping[str, Any] = run.get("metadata") or {}
    questions = tuple(_question(q, run) for q in run.get("interrupts") or ())
    timeout = run["status"] == "timeout"
    failure = Failure(
        FailureKind.TIMEOUT if timeout else FailureKind.ERROR, error.get("message", ""), error.get("type", "")
    )
    told = run["status"]
    status = RunStatus.WAITING if questions and told == "interrupted" else _RUN_STATUS[told]
    return RunView(
        Run(
            tenant="",
            id=run["run_id"],
            thread_id=run["thread_id"],
            agent=run["agent_id"],
            agent_version="",
            status=status,
            created_at=_micros(run["created_at"]),
            updated_at=_micros(run["updated_at"]),
            output=output,
            failure=failure if status is RunStatus.FAILED else None,
            interrupts=len(questions),
            held=str(metadata.get(_HELD, "")),
        ),
        questions,
    )


_RUN_STATUS: Mapping[str, RunStatus] = {
    "pending": RunStatus.RUNNING,
    "interrupted": RunStatus.CANCELLED,  # with open questions it waits
    "success": RunStatus.SUCCEEDED,
    "error": RunStatus.FAILED,
    "timeout": RunStatus.FAILED,
}


def _question(q: Mapping[str, Any], run: Mapping[str, Any]) -> Interrupt:
    return Interrupt(
        run_id=run["run_id"],
        thread_id=run["thread_id"],
        key=q["key"],
        id=q["id"],
        kind=InterruptKind(q["kind"]),
        message=q["message"],
        schema=q["schema"],
        payload=q.get("payload"),
    )


def _micros(stamp: str) -> int:
    return int(datetime.fromisoformat(stamp).timestamp() * 1e6)
