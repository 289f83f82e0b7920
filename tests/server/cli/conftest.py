"""The command as a process: run to its end, or served until the test is over."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

DEADLINE = 30.0

AGENTS = '''
import asyncio
from pathlib import Path
from dragoman.agents import Context, Rejected, agent

@agent(description="Greets someone.")
async def greeter(ctx: Context, name: str) -> str:
    await ctx.progress(1, 2, "thinking")
    return f"Hello, {name}!"

@agent
async def buyer(ctx: Context, item: str, price: float = 1.0) -> dict[str, str]:
    """Asks before it buys."""
    if item == "nothing":
        raise Rejected("There is nothing to buy.")
    decision = await ctx.approve(f"Buy {item} for {price:g}?", payload={"item": item})
    size = await ctx.ask("Which size?", choices=["small", "large"])
    return {"item": item, "approved": str(decision.approved), "comment": decision.comment, "size": size}

@agent
async def picker(ctx: Context) -> str:
    """Asks two things at once."""
    return "-".join(await ctx.gather(ctx.ask("Colour?", key="colour"), ctx.ask("Size?", key="size")))

@agent
async def sleeper(ctx: Context, started: str) -> str:
    """Works until it is stopped; says in a file when it began."""
    Path(started).touch()
    await asyncio.Event().wait()
    return "never"

@agent
async def finisher(ctx: Context, folder: str) -> str:
    """Works until it is told by a file to finish."""
    Path(folder, "started").touch()
    while not Path(folder, "finish").exists():
        await asyncio.sleep(0.01)
    return "finished"

@agent
async def poet(ctx: Context) -> str:
    """Streams its reply."""
    for word in ("Roses ", "are ", "red"):
        await ctx.stream_text(word)
    return "Roses are red"
'''


def command(*arguments: str | Path) -> list[str]:
    """The command line, in this environment's Python."""
    return [sys.executable, "-m", "dragoman.cli", *map(str, arguments)]


class Served:
    """A ``dragoman serve`` process, ready."""

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self.process = process
        self.folder = folder
        self.banner: list[str] = []
        self._lines: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        while not self.banner or not self.banner[-1].startswith("Connect a client"):
            line = self._lines.get(timeout=DEADLINE)
            if line is None:
                raise AssertionError(f"the server ended with {process.wait()}: {self.errors()}")
            self.banner.append(line.rstrip("\n"))
        self.url = next(line.split()[-1] for line in self.banner if line.startswith("  Agent Protocol"))

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line)
        self._lines.put(None)

    def errors(self) -> str:
        """What it wrote to stderr."""
        return (self.folder / "stderr.log").read_text()

    def client(self, **headers: str) -> httpx.Client:
        """An HTTP client of it."""
        return httpx.Client(base_url=self.url, headers=headers, timeout=DEADLINE)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal; the exit code."""
        self.process.send_signal(number)
        return self.process.wait(DEADLINE)


Run = Callable[..., subprocess.CompletedProcess[str]]
Serve = Callable[..., Served]


def a_project(folder: Path) -> Path:
    """Puts agents and a dragoman.toml into a folder."""
    (folder / "agents.py").write_text(AGENTS)
    (folder / "dragoman.toml").write_text('agents = ["agents.py"]\n')
    return folder


def an_environment(folder: Path) -> dict[str, str]:
    """This process's, without settings, and with a state folder below this one."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DRAGOMAN_")}
    return {**kept, "XDG_STATE_HOME": str(folder / "state"), "NO_COLOR": "1"}


def running(folder: Path, environment: Mapping[str, str]) -> Run:
    """What runs the command, to its end, in a project."""

    def to_the_end(
        *arguments: str | Path, cwd: Path = folder, stdin: str | None = "", **env: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command(*arguments),
            cwd=cwd,
            env={**environment, **env},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
        )

    return to_the_end


@contextmanager
def serving(folder: Path, environment: Mapping[str, str]) -> Generator[Serve]:
    """What starts servers of a project on free ports; they are killed with the block."""
    started: list[subprocess.Popen[str]] = []

    def ready(*arguments: str | Path, cwd: Path = folder, **env: str) -> Served:
        with (cwd / "stderr.log").open("a") as errors:
            process = subprocess.Popen(
                command("serve", "--port", "0", *arguments),
                cwd=cwd,
                env={**environment, **env},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        started.append(process)
        return Served(process, cwd)

    try:
        yield ready
    finally:
        for process in started:
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project: five agents and a dragoman.toml."""
    return a_project(tmp_path)


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """This process's, without settings, and with a state folder of the test's own."""
    return an_environment(tmp_path)


@pytest.fixture
def run(folder: Path, environment: dict[str, str]) -> Run:
    """``run("keys", "list")``: the command, to its end, in the project."""
    return running(folder, environment)


@pytest.fixture
def serve(folder: Path, environment: dict[str, str]) -> Iterator[Serve]:
    """``serve("--auth", "keys")``: a server of the project on a free port; ended with the test."""
    with serving(folder, environment) as ready:
        yield ready


@pytest.fixture
def until() -> Callable[[Callable[[], bool]], None]:
    """Waits for what another process does, with a deadline."""

    def wait(happened: Callable[[], bool]) -> None:
        deadline = time.monotonic() + DEADLINE
        while not happened():
            assert time.monotonic() < deadline, "it did not happen in time"
            threading.Event().wait(0.01)

    return wait
