"""``dragoman serve`` as a process: how it starts, whom it lets in, how it stops."""

from __future__ import annotations

import json
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

if TYPE_CHECKING:
    from .conftest import Run, Serve


def _greet(client: httpx.Client, name: str = "Ada") -> Any:
    answer = client.post("/runs/wait", json={"agent_id": "greeter", "input": {"name": name}})
    assert answer.status_code == 200, answer.text
    return answer.json()["values"]["output"]


def _start(client: httpx.Client, agent: str, **given: str) -> str:
    answer = client.post("/runs", json={"agent_id": agent, "input": given, "on_disconnect": "continue"})
    assert answer.status_code == 200, answer.text
    run_id: str = answer.json()["run_id"]
    return run_id


def test_it_says_where_it_is_reached_and_is_reached_there(serve: Serve) -> None:
    served = serve()
    told = {tuple(line.split()[:-1]): line.split()[-1] for line in served.banner[1:-2]}
    assert served.banner[0] == "Dragoman serves greeter, buyer, picker, sleeper, finisher, poet"
    assert told["MCP",] == f"{served.url}/mcp"
    assert f"  A2A             {served.url}/a2a/buyer" in served.banner
    with served.client() as client:
        assert _greet(client) == "Hello, Ada!"
        assert client.get(told["A2A", "card"]).json()["name"]
        ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
        assert (
            client.post("/mcp", json=ping, headers={"accept": "application/json, text/event-stream"}).status_code < 500
        )
        for path, body in (("/ok", {"ok": True}), ("/healthz", {"ok": True}), ("/readyz", {"ready": True})):
            answer = client.get(path)
            assert (answer.status_code, answer.json()) == (200, body)
            assert "server" not in answer.headers
    assert "agents.py" not in served.errors()


def test_what_init_makes_is_served_at_once(run: Run, serve: Serve, tmp_path: Path) -> None:
    assert run("init", tmp_path / "new").returncode == 0
    served = serve(cwd=tmp_path / "new")
    with served.client() as client:
        assert _greet(client) == "Hello, Ada!"
        answer = client.post(
            "/runs/wait", json={"agent_id": "refunds", "input": {"order_id": "A-1", "amount": 250}}
        ).json()
        assert [q["kind"] for q in answer["run"]["interrupts"]] == ["approval"]
        resume = {"answer": {"approved": True}}
        client.post(f"/runs/{answer['run']['run_id']}/resume", json=resume).raise_for_status()
        done = client.get(f"/runs/{answer['run']['run_id']}/wait").json()
    assert done["values"]["output"]["amount"] == 250


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_properly(serve: Serve, number: signal.Signals) -> None:
    served = serve()
    with served.client() as client:
        _greet(client)
        assert served.stop(number) == 0
    assert served.errors() == ""


def test_runs_finish_within_the_grace_and_their_callers_are_answered(serve: Serve, tmp_path: Path) -> None:
    served = serve(DRAGOMAN_ENGINE__GRACE="20")
    answers: list[httpx.Response] = []

    def wait() -> None:
        with served.client() as client:
            body = {"agent_id": "finisher", "input": {"folder": str(tmp_path)}}
            answers.append(client.post("/runs/wait", json=body))

    waiting = threading.Thread(target=wait)
    waiting.start()
    with served.client() as client:
        _until(lambda: (tmp_path / "started").exists())
        served.process.send_signal(signal.SIGTERM)
        _until(lambda: not _accepts(client))
        (tmp_path / "finish").touch()
        waiting.join(20)
    assert served.process.wait(20) == 0
    assert (answers[0].status_code, answers[0].json()["values"]["output"]) == (200, "finished")


def test_runs_that_do_not_finish_in_time_are_handed_back_and_go_on_in_the_next_server(
    serve: Serve, tmp_path: Path
) -> None:
    served = serve(DRAGOMAN_ENGINE__GRACE="0.1")
    with served.client() as client:
        run_id = _start(client, "finisher", folder=str(tmp_path))
        _until(lambda: (tmp_path / "started").exists())
    assert served.stop() == 0
    (tmp_path / "finish").touch()
    with serve().client() as client:
        assert client.get(f"/runs/{run_id}/wait").json()["values"]["output"] == "finished"


def test_a_stream_shows_its_run_to_the_end_of_the_grace(serve: Serve, tmp_path: Path) -> None:
    served = serve(DRAGOMAN_ENGINE__GRACE="20")
    with served.client() as client:
        run_id = _start(client, "finisher", folder=str(tmp_path))
        _until(lambda: (tmp_path / "started").exists())
        with client.stream("GET", f"/runs/{run_id}/stream") as stream:
            lines = stream.iter_lines()
            assert next(lines) == "event: metadata"
            served.process.send_signal(signal.SIGTERM)
            _until(lambda: not _accepts(client))
            (tmp_path / "finish").touch()
            assert "event: end" in list(lines)
    assert served.process.wait(20) == 0


def test_a_caller_whose_run_is_handed_back_is_told_that_the_server_stops(serve: Serve, tmp_path: Path) -> None:
    served = serve(DRAGOMAN_ENGINE__GRACE="0.1")
    waited: list[httpx.Response] = []
    with served.client() as client:
        run_id = _start(client, "sleeper", started=str(tmp_path / "started"))
        _until(lambda: (tmp_path / "started").exists())
        task = {"jsonrpc": "2.0", "id": 1, "method": "message/send", "params": _said(str(tmp_path / "second"))}
        waiting = threading.Thread(target=lambda: waited.append(client.post("/a2a/sleeper", json=task)))
        waiting.start()
        _until(lambda: (tmp_path / "second").exists())
        with served.client() as other, other.stream("GET", f"/runs/{run_id}/stream") as stream:
            lines = stream.iter_lines()
            assert next(lines) == "event: metadata"
            served.process.send_signal(signal.SIGTERM)
            assert "event: end" not in list(lines)  # and it closes as a whole answer does
        waiting.join(20)
    assert served.process.wait(20) == 0
    assert (waited[0].status_code, waited[0].headers["retry-after"]) == (503, "1")
    assert waited[0].json()["error"]["message"].startswith("The server is stopping")
    assert served.errors() == ""


def _said(text: str) -> dict[str, Any]:
    return {
        "message": {"role": "user", "messageId": "m1", "kind": "message", "parts": [{"kind": "text", "text": text}]}
    }


def test_a_client_that_does_not_read_cannot_hold_the_stop(serve: Serve, folder: Path) -> None:
    (folder / "agents.py").write_text(
        "from dragoman.agents import Context, agent\n"
        "@agent\nasync def flood(ctx: Context) -> str:\n"
        "    for _ in range(200):\n        await ctx.stream_text('x' * 100_000)\n    return 'done'\n"
    )
    served = serve()
    with served.client() as client:
        run_id = _start(client, "flood")
        client.get(f"/runs/{run_id}/wait").raise_for_status()
        with socket.create_connection((client.base_url.host, client.base_url.port or 80), timeout=20) as deaf:
            asked = f"GET /runs/{run_id}/stream?stream_mode=messages HTTP/1.1", "Host: localhost", "Last-Event-ID: 0"
            deaf.sendall("\r\n".join((*asked, "", "")).encode())
            assert deaf.recv(1)
            assert served.stop() == 0


def test_a_second_signal_cuts_the_grace_short(serve: Serve, tmp_path: Path) -> None:
    served = serve(DRAGOMAN_ENGINE__GRACE="600")
    with served.client() as client:
        _start(client, "sleeper", started=str(tmp_path / "started"))
        _until(lambda: (tmp_path / "started").exists())
        served.process.send_signal(signal.SIGTERM)
        _until(lambda: not _accepts(client))
    assert served.stop() == 0


def test_a_killed_server_leaves_nothing_in_the_way_of_the_next(serve: Serve) -> None:
    served = serve()
    with served.client() as client:
        run_id = _start(client, "greeter", name="Ada")
        client.get(f"/runs/{run_id}/wait")
    assert served.stop(signal.SIGKILL) == -signal.SIGKILL
    with serve().client() as client:
        assert client.get(f"/runs/{run_id}/wait").json()["values"]["output"] == "Hello, Ada!"


def test_a_second_server_on_a_ledger_is_refused_in_one_line(serve: Serve, run: Run) -> None:
    served = serve()
    for arguments in (["serve", "--port", "0"], ["stdio", "--storage", ".dragoman/ledger.db"]):
        done = run(*arguments)
        assert (done.returncode, done.stdout) == (1, "")
        assert f"is open in process {served.process.pid}, serving at {served.url}." in done.stderr
        assert done.stderr.count("\n") == 1


def test_a_port_that_is_taken_is_told_before_anything_is_opened(run: Run, folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = run("serve", "--port", str(taken.getsockname()[1]))
    assert (done.returncode, done.stdout) == (1, "")
    assert "is in use; choose another with --port" in done.stderr
    assert not (folder / ".dragoman").exists()


def test_keys_are_made_used_and_revoked_while_it_runs(serve: Serve, run: Run) -> None:
    served = serve("--auth", "keys", DRAGOMAN_AUTH__CACHE="0")
    assert any(line.startswith("Callers need an API key") for line in served.banner)
    with served.client() as nobody:
        for path in (
            "/ok",
            "/healthz",
            "/readyz",
            "/.well-known/agent-card.json",
            "/a2a/greeter/.well-known/agent-card.json",
        ):
            assert nobody.get(path).status_code == 200
        refused = nobody.post("/runs/wait", json={"agent_id": "greeter", "input": {"name": "x"}})
        assert (refused.status_code, refused.headers["www-authenticate"]) == (401, 'Bearer realm="dragoman"')
        assert nobody.post("/mcp", json={}).json()["error"]["code"] == -32600
    key = run("keys", "create", "ada", "--tenant", "acme").stdout.strip()
    with served.client(authorization=f"Bearer {key}") as ada:
        assert _greet(ada) == "Hello, Ada!"
    with served.client(**{"x-api-key": key}) as ada:
        run_id = _start(ada, "greeter", name="Ada")
    eve = run("keys", "create", "eve", "--tenant", "umbrella").stdout.strip()
    with served.client(**{"x-api-key": eve}) as client:
        assert client.get(f"/runs/{run_id}").status_code == 404
    rows = json.loads(run("keys", "list", "--json").stdout)
    assert [(row["tenant"], row["subject"], row["revoked"]) for row in rows] == [
        ("acme", "ada", None),
        ("umbrella", "eve", None),
    ]
    assert run("keys", "revoke", key.split("_")[1]).returncode == 0
    with served.client(authorization=f"Bearer {key}") as ada:
        assert ada.post("/runs/search", json={}).status_code == 401
    assert run("keys", "revoke", key.split("_")[1]).returncode == 1
    assert "revoked" in run("keys", "list").stdout.lower()
    assert served.stop() == 0
    ledger = served.folder / ".dragoman" / "ledger.db"
    assert key.split("_", 2)[2].encode() not in ledger.read_bytes()
    assert key not in served.errors()


def test_other_machines_are_served_with_keys(serve: Serve, run: Run) -> None:
    served = serve("--auth", "keys", "--host", "0.0.0.0")
    key = run("keys", "create").stdout.strip()
    with httpx.Client(base_url=served.url, headers={"x-api-key": key}) as client:
        assert _greet(client) == "Hello, Ada!"
        assert client.post("/runs/search", json={}, headers={"host": "agents.example"}).status_code == 200
    done = run("runs", DRAGOMAN_KEY=key)
    assert (done.returncode, "greeter" in done.stdout) == (0, True)
    assert "The server asks for an API key" in run("runs").stderr


def test_a_name_or_a_page_of_elsewhere_is_refused_without_keys(serve: Serve) -> None:
    with serve().client() as client:
        for path in ("/ok", "/mcp", "/a2a/greeter", "/runs"):
            assert client.post(path, headers={"host": "localhost.evil.example"}).status_code == 400
            assert client.post(path, headers={"origin": "https://evil.example"}).status_code == 403


def test_a_body_of_ten_megabytes_gets_an_answer_that_helps(serve: Serve) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(160):
            yield b"x" * 65_536

    with serve().client() as client:
        for path, body in product(("/runs", "/mcp", "/a2a/greeter"), (b"x" * 10_000_000, None)):
            answer = client.post(path, content=body or chunks(), headers={"content-type": "application/json"})
            assert answer.status_code == 413
            told = answer.json()
            assert "4,194,304 bytes" in (told["message"] if path == "/runs" else told["error"]["message"])


def test_what_goes_wrong_inside_is_logged_as_json_with_its_trace(serve: Serve, folder: Path) -> None:
    (folder / "agents.py").write_text(
        "import logging\nfrom dragoman.agents import Context, agent\n"
        "@agent\nasync def noisy(ctx: Context) -> str:\n"
        "    logging.getLogger('dragoman.mine').info('working', extra={'order': 7})\n    return 'x'\n"
    )
    served = serve()
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    with served.client(traceparent=f"00-{trace}-00f067aa0ba902b7-01") as client:
        answer = client.post("/runs/wait", json={"agent_id": "noisy", "input": {}})
    (line,) = [json.loads(line) for line in served.errors().splitlines()]
    assert (line["message"], line["order"], line["trace_id"]) == ("working", 7, trace)
    assert line["run_id"] == answer.json()["run"]["run_id"]


def test_idle_it_takes_little_memory(serve: Serve) -> None:
    served = serve()
    status = Path(f"/proc/{served.process.pid}/status")
    if not status.exists():
        pytest.fail("this test reads /proc")
    resident = next(line for line in status.read_text().splitlines() if line.startswith("VmRSS"))
    assert int(resident.split()[1]) < 110_000


def _accepts(client: httpx.Client) -> bool:
    """Whether it takes new connections."""
    try:
        with socket.create_connection((client.base_url.host, client.base_url.port or 80), timeout=5):
            return True
    except OSError:
        return False


def _until(happened: Callable[[], bool], seconds: float = 20) -> None:
    """Wait for what another process does."""
    done = threading.Event()
    for _ in range(int(seconds * 100)):
        if happened():
            return
        done.wait(0.01)
    raise AssertionError("it did not happen in time")
