"""The journey of docs/agent-protocol.md: its agent served, its script run, and what it prints held to the document."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

DOCUMENT = Path(__file__).parents[3] / "docs" / "agent-protocol.md"
DEADLINE = 30.0


@pytest.fixture(scope="module")
def blocks() -> tuple[str, str, str]:
    """The agent, the script and the output, as they stand in the document."""
    section = DOCUMENT.read_text().partition("## One run, from its creation to a fork\n")[2].partition("\n## ")[0]
    agent, script, output = re.findall(r"^```(?:python|text)\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)
    assert agent.startswith("# refunds.py\n")
    assert script.startswith("# journey.py\n")
    return agent, script, output


@pytest.fixture
def address(blocks: tuple[str, str, str], tmp_path: Path) -> Iterator[str]:
    """``dragoman serve refunds.py`` on a free port."""
    (tmp_path / "refunds.py").write_text(blocks[0])
    command = [sys.executable, "-m", "dragoman.cli", "serve", "refunds.py", "--port", "0", "--storage", "ledger.db"]
    with (tmp_path / "stderr.log").open("w") as log:
        process = subprocess.Popen(
            command, cwd=tmp_path, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True
        )
    try:
        assert process.stdout is not None
        found = (line.split()[-1] for line in process.stdout if line.startswith("  Agent Protocol"))
        address = next(found, None)
        assert address is not None, (tmp_path / "stderr.log").read_text()
        yield address
    finally:
        process.terminate()
        process.communicate(timeout=DEADLINE)


def test_the_documents_journey_prints_what_the_document_says(
    blocks: tuple[str, str, str], address: str, tmp_path: Path
) -> None:
    (tmp_path / "journey.py").write_text(blocks[1])
    done = subprocess.run(
        [sys.executable, "journey.py", address], cwd=tmp_path, capture_output=True, text=True, timeout=DEADLINE
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == blocks[2]


def test_the_script_is_whole_and_takes_each_step_of_the_journey(blocks: tuple[str, str, str]) -> None:
    steps = re.findall(r"^ +# (\w+)", blocks[1], re.MULTILINE)
    assert steps == ["create", "stream", "interrupt", "resume", "history", "fork", "join"]
