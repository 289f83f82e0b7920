"""npm's ``@langchain/langgraph-sdk`` and ``langgraph``'s RemoteGraph, unmodified, against ``dragoman serve``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conformance.replicated import serve_many

from .conftest import DEADLINE, DRIVERS, REPLICAS
from .environments import node, npm_folder, python

pytestmark = [pytest.mark.interop, pytest.mark.timeout(700)]

AGENTS = Path(__file__).parents[1] / "protocols" / "agent_protocol" / "streaming" / "agents.py"
MODES = ["checkpoints", "custom", "debug", "messages", "tasks", "updates", "values"]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """``dragoman serve`` on a free port, or several as one."""
    folder = tmp_path_factory.mktemp("served")
    if REPLICAS > 1:
        with serve_many(AGENTS, folder, REPLICAS) as served:
            yield served.root
        return
    command = [sys.executable, "-m", "dragoman.cli", "serve", str(AGENTS), "--port", "0"]
    command += ["--storage", str(folder / "ledger.db")]
    with (folder / "stderr.log").open("w") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True)
    assert process.stdout is not None
    try:
        found = (line.split()[-1] for line in process.stdout if line.startswith("  Agent Protocol"))
        address = next(found, None)
        assert address is not None, (folder / "stderr.log").read_text()
        yield address.rstrip("/")
    finally:
        process.terminate()
        process.communicate(timeout=DEADLINE)


def see(*command: str) -> dict[str, Any]:
    """What a driver printed."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE, env={**os.environ})
    assert done.returncode == 0, done.stderr[-4000:]
    seen: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return seen


def test_the_javascript_sdk_has_all_its_clients_answered(address: str) -> None:
    folder = npm_folder("@langchain/langgraph-sdk")
    driver = str(DRIVERS / "langgraph_js.mjs")
    seen = see(str(node().executable), driver, str(folder), address, "talker", "asker", "caller")
    for name in ("assistant", "graph", "created", "joined", "state", "copied"):
        assert seen[name] is True, name
    assert seen["events"] == sorted(
        [*MODES, "end", "events", "metadata", "messages/metadata", "messages/partial", "messages/complete"]
    )
    assert seen["subgraphs"] == ["everything", "talker"]
    assert (seen["waited"], seen["stateless"], seen["join"], seen["status"]) == ("hi you",) * 3 + ("success",)
    assert (seen["asked"], seen["status_asked"], seen["answered"]) == (
        "Sure about hi you?",
        "interrupted",
        "hi you: yes",
    )
    assert (seen["sse"], seen["websocket"]) == ("hi you so A b c",) * 2
    assert (seen["versions"], seen["latest"], seen["changed"]) == ([2, 1], "mine", "yours")
    assert (seen["found"], seen["counted"], seen["metadata"], seen["batch"], seen["noted"]) == (1, 1, 1, 2, 7)
    assert (seen["item"], seen["items"], seen["namespaces"], seen["crons"]) == (1, 1, [["a", "b"]], 1)
    assert seen["joined_thread"] == "metadata"
    assert {"thread_id", "values", "interrupts", "status", "metadata"} <= set(seen["thread"])


def test_a_remote_graph_invokes_streams_reads_state_and_resumes(address: str) -> None:
    driver = str(DRIVERS / "through_langgraph.py")
    seen = see(str(python("langgraph")), driver, address, "talker", "asker", "caller")
    assert seen["ainvoke"] == "hi you so A b c"
    assert seen["modes"] == MODES
    assert seen["namespaces"] == ["everything", "talker"]
    assert seen["plain"] == {"caller": {"output": "hi so A b c"}}
    assert (seen["state"], seen["noted"], seen["graph"]) == ("hi so A b c", 7, True)
    assert seen["history"] >= 3
    assert (seen["asked"], seen["next"], seen["interrupt"]) == (1, ["asker"], "Sure about x?")
    assert (seen["resumed"], seen["streamed"]) == ("x: yes", "a b")
