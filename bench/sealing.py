"""What sealing costs a run: the same server with and without a master key, in turn, by its own CPU."""

from __future__ import annotations

import base64
import contextlib
import os
import statistics
import sys
import tempfile
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any, Final

from faces import REQUESTS
from measure import HERE, free_port, http_request, load, server

LIMIT: Final = 1.15
_TURNS: Final = 3
TEXT: Final = "What is it that you would like to know of the order, and by when? " * 4
WORK: Final[Mapping[str, bytes]] = {
    "echo over Agent Protocol": http_request("/runs/wait", {"agent_id": "echo", "input": {"text": TEXT}}),
    "echo over MCP": REQUESTS["mcp tools/call"],
    "echo over A2A": REQUESTS["a2a SendMessage"],
    "five steps": http_request("/runs/wait", {"agent_id": "steps", "input": {"count": 5}}),
    "twenty pieces of text": http_request("/runs/wait", {"agent_id": "stream", "input": {"count": 20}}),
}


@contextlib.contextmanager
def _sealing() -> Generator[None]:
    os.environ["DRAGOMAN_MASTER_KEYS"] = base64.b64encode(os.urandom(32)).decode()
    try:
        yield
    finally:
        del os.environ["DRAGOMAN_MASTER_KEYS"]


def _command(port: int, file: Path) -> list[str]:
    return [sys.executable, str(HERE / "served.py"), str(port), "uvloop", "httptools", str(file)]


def measure(seconds: float, rounds: int) -> dict[str, Any]:
    """CPU a run of both, µs, and the ratio of each round's two; medians. Each round has servers of its own, for two
    processes of the same program differ by some per cent for as long as they live, and three turns of ``seconds``
    each, for the machine does not stay the same."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in WORK}
    for _ in range(rounds):
        open_port, sealed_port = free_port(), free_port()
        with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
            folder = Path(name)
            plain = stack.enter_context(server(_command(open_port, folder / "plain.db"), open_port))
            with _sealing():
                sealed = stack.enter_context(server(_command(sealed_port, folder / "sealed.db"), sealed_port))
            for work, request in WORK.items():
                turns: list[tuple[float, float]] = []
                for _ in range(_TURNS):
                    without = load(plain, open_port, request, 16, seconds).cpu_us
                    turns.append((without, load(sealed, sealed_port, request, 16, seconds).cpu_us))
                found[work].append(
                    (statistics.median(one for one, _ in turns), statistics.median(other for _, other in turns))
                )
    return {
        work: {
            "plain_cpu_us": round(statistics.median(plain for plain, _ in pairs), 1),
            "sealed_cpu_us": round(statistics.median(sealed for _, sealed in pairs), 1),
            "ratio": round(statistics.median(sealed / plain for plain, sealed in pairs), 3),
            "limit": LIMIT,
        }
        for work, pairs in found.items()
    }


if __name__ == "__main__":
    for work, figures in measure(0.8, 10).items():
        print(work, figures)
