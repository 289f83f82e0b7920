"""The proxy before several servers: each request goes to the next one, whatever the client keeps open."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx

from conformance.roundrobin import round_robin
from conformance.served import free_port

_more = threading.Event()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("connection", "close")
        self.end_headers()
        self.wfile.write(f"{self.connection.getsockname()[1]} ".encode())
        self.wfile.flush()
        if body == b"slowly":
            _more.wait(10)
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads it."""


@contextmanager
def _server() -> Generator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def test_each_request_of_one_client_goes_to_the_next_server() -> None:
    with ExitStack() as stack:
        ports = [stack.enter_context(_server()) for _ in range(3)]
        port = free_port()
        stack.enter_context(round_robin(ports, port))
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10) as client:
            answers = [client.post("/", content=f"n{n}") for n in range(6)]
    assert [answer.text for answer in answers] == [f"{port} n{n}" for n, port in enumerate([*ports, *ports])]


def test_what_comes_is_passed_on_before_the_response_is_over() -> None:
    with ExitStack() as stack:
        first, port = stack.enter_context(_server()), free_port()
        stack.enter_context(round_robin([first], port))
        with (
            httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10) as client,
            client.stream("POST", "/", content="slowly") as answer,
        ):
            pieces = answer.iter_text()
            assert next(pieces) == f"{first} "
            _more.set()
            assert "".join(pieces) == "slowly"
