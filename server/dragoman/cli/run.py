"""``dragoman run``: opens a run, shows what happens, asks on the terminal what the run asks, prints the output.

The output goes to stdout and everything else to stderr. Exit codes: 0 succeeded, 1 failed or cancelled, 3 waits for an
answer that nobody here can give.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING

from dragoman.cli.ask import ask, can_ask, shown
from dragoman.cli.errors import CommandError
from dragoman.cli.find import find_host
from dragoman.cli.host import Happening, Host, Input, phase_of
from dragoman.memory.model import RunStatus, RunView

if TYPE_CHECKING:
    from rich.status import Status

__all__ = ["run"]

WAITS = 3


def run(
    agent: str,
    given: str,
    *,
    config: str | None,
    storage: str | None,
    url: str | None,
    key: str | None,
    thread: str | None,
    as_json: bool,
) -> int:
    """Run an agent; the exit code."""

    async def work() -> int:
        async with find_host(config, storage, url, key, works=True) as host:
            return await _run(host, agent, _input(given), thread, as_json)

    return asyncio.run(work())


def _input(given: str) -> Input:
    """JSON objects are structured input; anything else is prose."""
    text = sys.stdin.read() if given == "-" else given
    if not text.strip():
        return Input({})
    try:
        value: object = json.loads(text)
    except ValueError:
        return Input(text=text)
    if isinstance(value, dict):
        return Input(value)  # pyright: ignore[reportUnknownArgumentType]  # its keys are strings: it was JSON
    return Input(text=value if isinstance(value, str) else text)


async def _run(host: Host, agent: str, given: Input, thread: str | None, as_json: bool) -> int:
    view = await host.open(agent, given, thread)
    screen = _Screen(agent, stream=not as_json)
    print(f"run {view.run.id} on thread {view.run.thread_id}, {host.where}", file=sys.stderr)
    try:
        while True:
            with screen:
                async for happening in host.watch(view):
                    screen.show(happening)
            view = await host.get(view.run.id)
            if view.run.status is not RunStatus.WAITING:
                break
            if not can_ask():
                return _left_waiting(view, as_json)
            answers = {question.id: await ask(question) for question in view.open_interrupts}
            view = await host.answer(view.run.id, answers)
    except (KeyboardInterrupt, asyncio.CancelledError):
        when = "in the server" if host.shared else "when its ledger is opened again"
        print(f"\nRun {view.run.id} goes on {when}: dragoman runs", file=sys.stderr)
        raise
    return _ended(view, screen, as_json)


def _left_waiting(view: RunView, as_json: bool) -> int:
    for question in view.open_interrupts:
        print(f"The run waits for an answer to {question.key!r}: {shown(question)}", file=sys.stderr)
    print(f"Answer it: dragoman approve {view.run.id}", file=sys.stderr)
    if as_json:
        print(json.dumps({"run_id": view.run.id, "status": "waiting"}))
    return WAITS


def _ended(view: RunView, screen: _Screen, as_json: bool) -> int:
    run = view.run
    if as_json:
        failure = {"error": {"type": run.failure.type, "message": run.failure.message}} if run.failure else {}
        print(json.dumps({"run_id": run.id, "status": phase_of(run.status), "output": run.output, **failure}))
        return 0 if run.status is RunStatus.SUCCEEDED else 1
    if run.status is RunStatus.SUCCEEDED:
        screen.finish(
            run.output if isinstance(run.output, str) else json.dumps(run.output, indent=2, ensure_ascii=False)
        )
        return 0
    reason = f"{run.failure.type}: {run.failure.message}" if run.failure else "it was cancelled"
    raise CommandError(f"The run did not succeed: {reason}")


class _Screen:
    """Streams the reply to stdout and shows on a terminal what else happens."""

    def __init__(self, title: str, *, stream: bool) -> None:
        self._title = title
        self._stream = stream
        self._said = ""
        self._status: Status | None = None

    def __enter__(self) -> None:
        if sys.stderr.isatty():
            from rich.console import Console

            self._status = Console(stderr=True).status(f"{self._title} is at work")
            self._status.start()

    def __exit__(self, *_: object) -> None:
        if self._status is not None:
            self._status.stop()
            self._status = None

    def show(self, happening: Happening) -> None:
        """Show one thing that happened."""
        if happening.kind == "text":
            self._said += happening.text
            if self._stream:
                if self._status is not None:
                    self._status.stop()
                print(happening.text, end="", flush=True)
        elif self._status is not None:
            self._status.update(f"{self._title}: {happening.text}")
        else:
            print(f"  {happening.text}", file=sys.stderr)

    def finish(self, output: str) -> None:
        """Print the output, unless it was streamed already."""
        if self._said:
            print()
        if self._said.strip() != output.strip():
            print(output)
