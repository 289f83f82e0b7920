"""``dragoman stdio``: nothing but protocol on stdout, several at once, a chosen ledger that is in use is refused."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .conftest import Run

DEADLINE = 30.0
HELLO = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}


class Pipe:
    """A ``dragoman stdio`` process."""

    def __init__(self, arguments: list[str], folder: Path, environment: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "dragoman.cli", "stdio", *arguments],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def ask(self, method: str, params: dict[str, Any]) -> Any:
        """One request and its answer."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        self.process.stdin.write(json.dumps(message) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())["result"]

    def end(self) -> tuple[int, str, str]:
        """Close its input; its exit code, and what else it wrote."""
        output, errors = self.process.communicate(timeout=DEADLINE)
        return self.process.returncode, output, errors


Open = Callable[..., Pipe]


@pytest.fixture
def opened(folder: Path, environment: dict[str, str]) -> Iterator[Open]:
    """``opened("--storage", "x.db")``: a process on a pipe."""
    pipes: list[Pipe] = []

    def make(*arguments: str) -> Pipe:
        pipes.append(Pipe(list(arguments), folder, environment))
        return pipes[-1]

    yield make
    for pipe in pipes:
        pipe.process.kill()
        pipe.process.communicate()


def _ledger(errors: str) -> str:
    lines: list[dict[str, str]] = [json.loads(line) for line in errors.splitlines() if line.startswith("{")]
    return next(line["message"].removeprefix("ledger ") for line in lines if line["message"].startswith("ledger "))


def test_what_agents_print_is_kept_from_the_protocol(opened: Open, folder: Path) -> None:
    (folder / "agents.py").write_text(
        "import os, subprocess\nfrom dragoman.agents import Context, agent\nprint('imported')\n"
        "@agent\nasync def noisy(ctx: Context) -> str:\n"
        "    print('at work')\n    os.write(1, b'low level\\n')\n    subprocess.run(['echo', 'a child'])\n"
        "    return 'done'\n"
    )
    pipe = opened()
    pipe.ask("initialize", HELLO)
    assert pipe.ask("tools/call", {"name": "noisy", "arguments": {}})["structuredContent"] == {"result": "done"}
    code, output, errors = pipe.end()
    assert (code, output) == (0, "")
    for noise in ("imported", "at work", "low level", "a child"):
        assert noise in errors


def test_several_at_once_each_have_a_ledger_and_the_first_free_one_is_taken_again(opened: Open, folder: Path) -> None:
    pipes = [opened() for _ in range(3)]
    for pipe in pipes:
        pipe.ask("initialize", HELLO)
        assert pipe.ask("tools/call", {"name": "greeter", "arguments": {"name": "Ada"}})["isError"] is False
    ledgers = {_ledger(pipe.end()[2]) for pipe in pipes}
    assert {Path(ledger).name for ledger in ledgers} == {"ledger.db", "ledger-2.db", "ledger-3.db"}
    assert all(Path(ledger).is_relative_to(folder / "state" / "dragoman" / "stdio") for ledger in ledgers)
    again = opened()
    again.ask("initialize", HELLO)
    assert Path(_ledger(again.end()[2])).name == "ledger.db"


def test_each_project_has_ledgers_of_its_own(opened: Open) -> None:
    pipes = [opened("agents.py:greeter"), opened("agents.py:poet")]
    ledgers: list[Path] = []
    for pipe in pipes:
        pipe.ask("initialize", HELLO)
        ledgers.append(Path(_ledger(pipe.end()[2])))
    assert ledgers[0].name == ledgers[1].name == "ledger.db"
    assert ledgers[0] != ledgers[1]


def test_a_chosen_ledger_that_is_in_use_is_refused(opened: Open, run: Run) -> None:
    pipe = opened("--storage", "mine.db")
    pipe.ask("initialize", HELLO)
    done = run("stdio", "--storage", "mine.db")
    assert (done.returncode, done.stdout) == (1, "")
    assert f"is open in process {pipe.process.pid}." in done.stderr
    assert pipe.end()[0] == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_and_frees_the_ledger(opened: Open, run: Run, number: signal.Signals) -> None:
    pipe = opened("--storage", "mine.db")
    pipe.ask("initialize", HELLO)
    pipe.process.send_signal(number)
    pipe.process.wait(DEADLINE)
    assert "Traceback" not in pipe.end()[2]
    assert run("stdio", "--storage", "mine.db").returncode == 0
