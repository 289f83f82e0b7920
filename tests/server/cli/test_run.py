"""``run``, ``runs`` and ``approve``: in a server where there is one, else in this process."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from .conftest import Run, a_project, an_environment, running, serving

if TYPE_CHECKING:
    from .conftest import Serve

DEADLINE = 30.0


@pytest.fixture(scope="module")
def served_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A project that a server has open."""
    folder = a_project(tmp_path_factory.mktemp("served"))
    with serving(folder, an_environment(folder)) as serve:
        serve()
        yield folder


@pytest.fixture(params=["here", "in a server"])
def anywhere(request: pytest.FixtureRequest) -> Run:
    """``run``; each test with it runs twice: over a ledger of its own, and with a server on one that others use too."""
    if request.param == "here":
        return request.getfixturevalue("run")  # type: ignore[no-any-return]
    folder: Path = request.getfixturevalue("served_folder")
    return running(folder, an_environment(folder))


@pytest.mark.parametrize("given", ['{"name": "Ada"}', "Ada", '"Ada"'])
def test_the_output_is_on_stdout_and_all_else_on_stderr(anywhere: Run, given: str) -> None:
    done = anywhere("run", "greeter", given)
    assert (done.returncode, done.stdout) == (0, "Hello, Ada!\n")
    assert done.stderr.startswith("run ")
    assert "1/2 thinking" in done.stderr


def test_a_streamed_reply_is_printed_once(anywhere: Run) -> None:
    assert anywhere("run", "poet").stdout == "Roses are red\n"


def test_input_may_come_from_standard_input_and_output_be_json(anywhere: Run) -> None:
    done = anywhere("run", "greeter", "-", "--json", stdin='{"name": "Bo"}')
    found = json.loads(done.stdout)
    assert (found["status"], found["output"]) == ("succeeded", "Hello, Bo!")


def test_a_run_that_fails_is_an_error_of_one_line(anywhere: Run) -> None:
    done = anywhere("run", "buyer", "nothing")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1] == "dragoman: The run did not succeed: Rejected: There is nothing to buy."


def test_a_run_goes_on_with_a_thread(anywhere: Run) -> None:
    first = anywhere("run", "greeter", "Ada")
    thread = first.stderr.split(" on thread ")[1].split(",")[0]
    second = anywhere("run", "greeter", "Bo", "--thread", thread)
    assert f"on thread {thread}," in second.stderr


def test_without_a_terminal_a_question_is_left_for_approve(anywhere: Run) -> None:
    done = anywhere("run", "buyer", '{"item": "desk", "price": 450}')
    assert (done.returncode, done.stdout) == (3, "")
    run_id = done.stderr.splitlines()[-1].removeprefix("Answer it: dragoman approve ")
    assert f"dragoman approve {run_id}" in done.stderr
    assert "Buy desk for 450?" in done.stderr
    rows = json.loads(anywhere("runs", "--status", "waiting", "--json").stdout)
    assert (run_id, "buyer", "Buy desk for 450?") in [(row["run"], row["agent"], row["asks"]) for row in rows]
    shown = anywhere("approve", run_id, "--show")
    assert '"item": "desk"' in shown.stdout
    assert anywhere("approve", run_id[-12:], "--comment", "gladly").returncode == 0
    assert anywhere("approve", run_id, "--answer", "x", "--question", "nope").returncode in (1, 2)


def test_an_answer_given_to_the_ledger_goes_on_with_the_next_server(run: Run, serve: Serve) -> None:
    run("run", "buyer", "chair")
    (row,) = json.loads(run("runs", "--json").stdout)
    done = run("approve", row["run"], "--reject", "--comment", "too dear")
    assert "it goes on when a server opens this ledger" in done.stderr
    assert "asks nothing" in run("approve", row["run"]).stderr
    served = serve()
    with served.client() as client:
        client.get(f"/runs/{row['run']}/wait").raise_for_status()
    refused = run("approve", row["run"])
    assert refused.stderr.startswith(
        "dragoman: The run does not ask for an approval; give --answer. It asks:\nWhich size?"
    )
    wrong = run("approve", row["run"], "--answer", "medium")
    assert (wrong.returncode, "one of small, large" in wrong.stderr) == (1, True)
    assert run("approve", row["run"], "--answer", "LARGE").returncode == 0
    with served.client() as client:
        output = client.get(f"/runs/{row['run']}/wait").json()["values"]["output"]
    assert output == {"item": "chair", "approved": "False", "comment": "too dear", "size": "large"}
    assert "is succeeded; it asks nothing" in run("approve", row["run"]).stderr


def test_questions_are_answered_one_after_the_other_whether_or_not_the_run_has_gone_on_meanwhile(anywhere: Run) -> None:
    left = anywhere("run", "picker", "")
    assert left.returncode == 3
    part = left.stderr.splitlines()[-1][-12:]
    assert "2 questions are open; choose one with --question: colour, size" in anywhere("approve", part).stderr
    assert anywhere("approve", part, "--question", "size", "--answer", "big").returncode == 0
    assert anywhere("approve", part, "--answer", "red").returncode == 0
    assert "No run that asks something has" in anywhere("approve", part).stderr


def test_runs_are_listed_newest_first_and_filtered(run: Run) -> None:
    run("run", "greeter", "Ada")
    run("run", "buyer", "chair")
    run("run", "buyer", "nothing")
    rows = json.loads(run("runs", "--json").stdout)
    assert [(row["agent"], row["status"]) for row in rows] == [
        ("buyer", "failed"),
        ("buyer", "waiting"),
        ("greeter", "succeeded"),
    ]
    assert rows[0]["error"] == "There is nothing to buy."
    for arguments, count in (
        (["--status", "failed"], 1),
        (["--status", "cancelled"], 0),
        (["--status", "active"], 0),
        (["--agent", "buyer"], 2),
        (["--limit", "1"], 1),
    ):
        assert len(json.loads(run("runs", "--json", *arguments).stdout)) == count
    table = run("runs").stdout.splitlines()
    assert table[0].split() == ["RUN", "AGENT", "STATUS", "UPDATED", "ASKS", "ERROR"]
    assert [line.split()[0] for line in table[1:]] == [row["run"] for row in rows]


def test_a_ledger_held_by_a_process_without_http_is_told(run: Run, folder: Path, environment: dict[str, str]) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-m", "dragoman.cli", "run", "sleeper", str(folder / "started")],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _until((folder / "started").exists)
        done = run("runs")
    finally:
        holder.kill()
        holder.wait()
    assert (done.returncode, f"is open in process {holder.pid}, which serves no HTTP" in done.stderr) == (1, True)


@pytest.mark.parametrize("where", ["here", "in a server"])
def test_a_person_at_the_terminal_is_asked_until_the_answer_fits(
    where: str, folder: Path, environment: dict[str, str], serve: Serve
) -> None:
    if where == "in a server":
        serve()
    typed = [("approval: ", "perhaps"), ("approval: ", "no because of the price"), ("input: ", "small")]
    code, shown, output = _at_a_terminal(["run", "buyer", '{"item": "desk", "price": 450}'], typed, folder, environment)
    assert code == 0
    assert "Buy desk for 450?" in shown
    assert "does not answer the question 'approval'" in shown
    assert json.loads(output)["size"] == "small"
    assert json.loads(output)["approved"] == "False"


@pytest.mark.parametrize(
    ("where", "when"), [("here", "when its ledger is opened again"), ("in a server", "in the server")]
)
def test_an_interrupted_command_leaves_the_run_to_go_on(
    where: str, when: str, folder: Path, environment: dict[str, str], serve: Serve, run: Run
) -> None:
    if where == "in a server":
        serve(DRAGOMAN_ENGINE__GRACE="0.1")
    process = subprocess.Popen(
        [sys.executable, "-m", "dragoman.cli", "run", "sleeper", str(folder / "started")],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        _until((folder / "started").exists)
        assert process.stderr is not None
        assert process.stderr.readline().startswith("run ")  # the command has heard of its run
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=DEADLINE)
    finally:
        process.kill()
    assert (process.returncode, f"goes on {when}: dragoman runs" in errors) == (130, True)
    assert "Traceback" not in errors
    assert [row["status"] for row in json.loads(run("runs", "--json").stdout)] == ["active"]


def test_the_interrupt_key_works_at_a_question(folder: Path, environment: dict[str, str]) -> None:
    code, shown, output = _at_a_terminal(["run", "buyer", "desk"], [("approval: ", "\x03")], folder, environment)
    assert (code, output) == (130, "")
    assert "goes on when its ledger is opened again" in shown


def test_missing_fields_are_asked_one_by_one(folder: Path, environment: dict[str, str]) -> None:
    (folder / "agents.py").write_text(
        "from dragoman.agents import Context, agent\n"
        "@agent\nasync def order(ctx: Context, item: str, count: int, gift: bool = False) -> str:\n"
        "    return f'{count} x {item} {gift}'\n"
    )
    typed = [
        ("item (string): ", "12"),
        ("count (integer): ", "some"),
        ("item (string): ", "12"),
        ("count (integer): ", "3"),
    ]
    code, shown, output = _at_a_terminal(["run", "order", "I want something"], typed, folder, environment)
    assert (code, output) == (0, "3 x 12 False\n")
    assert "does not fit its schema: count: " in shown


def _at_a_terminal(
    arguments: list[str], typed: list[tuple[str, str]], folder: Path, environment: dict[str, str]
) -> tuple[int, str, str]:
    """Run a command whose stdin and stderr are a terminal; its code, what was shown there, and its stdout."""
    # The terminal's keys are for the process that has it as its own.
    begin = "import fcntl, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); from dragoman.cli import main; "
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", f"{begin}main(sys.argv[1:])", *arguments],
        cwd=folder,
        env={**environment, "TERM": "dumb"},
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
        start_new_session=True,
    )
    os.close(theirs)
    timer = threading.Timer(DEADLINE, process.kill)
    timer.start()
    shown = ""
    try:
        for prompt, answer in typed:
            mark = len(shown)
            while prompt not in shown[mark:]:
                shown += os.read(ours, 4096).decode()
            os.write(ours, f"{answer}\n".encode())
        shown += _rest(ours)
        assert process.stdout is not None
        output = process.stdout.read()
        process.stdout.close()
        return process.wait(DEADLINE), shown, output
    finally:
        timer.cancel()
        process.kill()
        process.wait()
        os.close(ours)


def _rest(descriptor: int) -> str:
    text = b""
    while True:
        try:
            text += os.read(descriptor, 4096)
        except OSError:  # the other end of a terminal has closed
            return text.decode()


def _until(happened: Any) -> None:
    done = threading.Event()
    for _ in range(int(DEADLINE * 100)):
        if happened():
            return
        done.wait(0.01)
    raise AssertionError("it did not happen in time")
