"""Several ``dragoman serve`` on one Postgres behind a plain round-robin proxy, for a suite to talk to as if it were one
server.

Postgres comes from a wheel, as the tests' does, and ends with the block. Above: the suites. Below: ``served``,
``roundrobin``.
"""

from __future__ import annotations

import base64
import secrets
import shutil
import tempfile
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests import postgres

from conformance.roundrobin import round_robin
from conformance.served import Served, free_port, serve

__all__ = ["Replicated", "serve_many"]


@dataclass(frozen=True, slots=True)
class Replicated:
    """Servers at work as one: where they are reached."""

    root: str
    replicas: Sequence[Served]

    @property
    def url(self) -> str:
        """Where MCP is."""
        return f"{self.root}/mcp"

    def check(self) -> None:
        """Raises ``ServerFailed`` if any of them has ended."""
        for replica in self.replicas:
            replica.check()


@contextmanager
def serve_many(
    target: Path, folder: Path, replicas: int, environment: Mapping[str, str] | None = None, *, grpc: bool = False
) -> Generator[Replicated]:
    """As ``serve``, ``replicas`` of them. With ``grpc`` there is a proxy before that, too. Raises ``ServerFailed``."""
    with ExitStack() as stack:
        url = stack.enter_context(_database())
        port, grpc_port = free_port(), free_port()
        root = f"http://127.0.0.1:{port}"
        shared = {
            "DRAGOMAN_SEALING_KEYS": base64.b64encode(secrets.token_bytes(32)).decode(),
            "DRAGOMAN_SERVER__PUBLIC_URL": root,
            "DRAGOMAN_A2A__SIGNING_KEY": str(folder.absolute() / "signing.json"),
            **({"DRAGOMAN_A2A__GRPC_URL": f"127.0.0.1:{grpc_port}"} if grpc else {}),
            **(environment or {}),
        }
        served: list[Served] = []
        ports, grpc_ports = [free_port() for _ in range(replicas)], [free_port() for _ in range(replicas)]
        for number in range(replicas):
            own = folder / f"replica-{number}"
            own.mkdir()
            added = {**shared, **({"DRAGOMAN_A2A__GRPC_PORT": str(grpc_ports[number])} if grpc else {})}
            served.append(stack.enter_context(serve(target, own, added, url, ports[number])))
        stack.enter_context(round_robin(ports, port))
        if grpc:
            stack.enter_context(round_robin(grpc_ports, grpc_port))
        yield Replicated(root, served)


@contextmanager
def _database() -> Generator[str]:
    server = postgres.Server(Path(tempfile.mkdtemp(prefix="pg-")) / "s")
    server.folder.mkdir()
    try:
        server.create()
        server.start()
        try:
            yield server.url()
        finally:
            server.stop()
    finally:
        shutil.rmtree(server.folder.parent, ignore_errors=True)
