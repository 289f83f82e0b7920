"""Two servers with the same sealing key, each in a folder of its own: what one sealed, the other opens."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dragoman.settings.sealing import VARIABLE

if TYPE_CHECKING:
    from .conftest import Run, Serve, Served

META = "io.modelcontextprotocol/"
DESK = """
from dragoman.agents import CallContext, Context, agent, tool

@tool(expose=True)
async def named(ctx: CallContext) -> str:
    "Asks in its request."
    return f"{await ctx.ask('First?', key='first')} {await ctx.ask('Last?', key='last')}"

@agent
async def durable(ctx: Context) -> str:
    "Asks as a run."
    return await ctx.ask("Well?", key="well")
"""


def _key(letter: str) -> str:
    return base64.b64encode(letter.encode() * 32).decode()


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Two projects of the same agents, each with its own ledger."""
    made = tmp_path / "one", tmp_path / "two"
    for folder in made:
        folder.mkdir()
        (folder / "desk.py").write_text(DESK)
        (folder / "dragoman.toml").write_text('agents = ["desk.py"]\n')
    return made


def _call(server: Served, name: str, state: str | None = None, **answers: str) -> dict[str, Any]:
    given = {key: {"action": "accept", "content": {"answer": value}} for key, value in answers.items()}
    retry: dict[str, Any] = {} if state is None else {"requestState": state, "inputResponses": given}
    meta: dict[str, Any] = {
        f"{META}protocolVersion": "2026-07-28",
        f"{META}clientCapabilities": {"elicitation": {"form": {}}},
    }
    headers = {"mcp-protocol-version": "2026-07-28", "mcp-method": "tools/call", "mcp-name": name}
    with server.client(accept="application/json", **headers) as client:
        params = {"name": name, "arguments": {}, "_meta": meta, **retry}
        answer = client.post("/mcp", json={"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).json()
    told: dict[str, Any] = answer
    return told


def test_a_server_with_the_same_key_and_another_ledger_goes_on_with_what_the_first_sealed(
    folders: tuple[Path, Path], serve: Serve
) -> None:
    one = serve(cwd=folders[0], **{VARIABLE: _key("a")})
    plain, run = _call(one, "named")["result"], _call(one, "durable")["result"]
    assert {plain["resultType"], run["resultType"]} == {"input_required"}
    assert one.stop() == 0
    two = serve(cwd=folders[1], **{VARIABLE: _key("a")})
    asked = _call(two, "named", plain["requestState"], first="Ada")["result"]
    done = _call(two, "named", asked["requestState"], last="Lovelace")["result"]
    other = _call(two, "durable", run["requestState"], well="yes")["result"]
    assert done["content"][0]["text"] == "Ada Lovelace"
    # The seal is good, and its run is in the other ledger.
    assert other["isError"] is True
    assert "No run '" in other["content"][0]["text"]


def test_a_key_that_took_anothers_place_opens_what_that_sealed_and_a_stranger_does_not(
    folders: tuple[Path, Path], serve: Serve
) -> None:
    before = serve(cwd=folders[0], **{VARIABLE: _key("a")})
    state = _call(before, "named")["result"]["requestState"]
    stranger = serve(cwd=folders[1], **{VARIABLE: _key("b")})
    refused = _call(stranger, "named", state, first="Ada")["error"]
    assert (before.stop(), stranger.stop()) == (0, 0)
    (folders[1] / "old.key").write_text(_key("a"))
    (folders[1] / "new.key").write_text(_key("c"))
    with (folders[1] / "dragoman.toml").open("a") as file:
        file.write('[auth]\nsealing_keys = ["new.key", "old.key"]\n')
    after = serve(cwd=folders[1])
    assert refused["code"] == -32602
    asked = _call(after, "named", state, first="Ada")["result"]
    assert asked["resultType"] == "input_required"
    assert after.stop() == 0
    (folders[1] / "dragoman.toml").write_text('agents = ["desk.py"]\n[auth]\nsealing_keys = ["old.key"]\n')
    back = serve(cwd=folders[1])
    assert _call(back, "named", asked["requestState"], last="Lovelace")["error"]["code"] == -32602  # the new one sealed


def test_a_server_without_the_key_that_is_named_does_not_start(folders: tuple[Path, Path], run: Run) -> None:
    with (folders[0] / "dragoman.toml").open("a") as file:
        file.write('[auth]\nsealing_keys = ["shared.key"]\n')
    ended = run("serve", "--port", "0", cwd=folders[0])
    assert ended.returncode == 2
    assert "dragoman.toml: [auth] sealing_keys: shared.key cannot be read" in ended.stderr
    assert "Traceback" not in ended.stderr
