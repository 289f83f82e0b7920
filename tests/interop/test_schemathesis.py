"""schemathesis, in an environment of its own, over the published Agent Protocol 0.1.6 document: no status that it does
not know, no body that does not fit it, no 5xx.

Left out, each for a reason: ``/threads/{thread_id}/stream`` is an endless stream, and a WebSocket; what
``GET /runs/{run_id}/stream`` answers is JSON to the document, and a stream to its README and its title; that every SSE
event is "a string" is said of the stream, and schemathesis takes it of the events.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from .environments import python

pytestmark = [pytest.mark.interop, pytest.mark.timeout(900)]

SPEC = Path(__file__).parents[3] / "shared" / "specs" / "agent-protocol-0.1.6.openapi.json"
PLAIN = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
ENDLESS = "/threads/{thread_id}/stream"
STREAMS = ("/runs/{run_id}/stream", "/runs/stream")


def _run(url: str, folder: Path, checks: str, *chosen: str) -> subprocess.CompletedProcess[str]:
    command = [str(python("schemathesis").with_name("st")), "run", str(SPEC), "--url", url, "--checks", checks]
    command += ["--phases", "coverage,fuzzing", "--max-examples", "20", "--request-timeout", "20", "--seed", "7"]
    return subprocess.run([*command, "--no-color", *chosen], capture_output=True, text=True, timeout=800, cwd=folder)


def test_the_published_document_is_kept_to_the_letter(url: str, tmp_path: Path) -> None:
    if not SPEC.exists():
        pytest.skip("the published schemas are not beside this repository (../shared/specs): no Agent Protocol 0.1.6")
    here = url.removesuffix("/mcp")
    apart = [part for path in (ENDLESS, *STREAMS) for part in ("--exclude-path", path)]
    done = _run(here, tmp_path, PLAIN, *apart)
    assert done.returncode == 0, done.stdout[-8000:]
    streams = [part for path in STREAMS for part in ("--include-path", path)]
    done = _run(here, tmp_path, "not_a_server_error,status_code_conformance", *streams)
    assert done.returncode == 0, done.stdout[-8000:]
