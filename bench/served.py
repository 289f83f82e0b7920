"""The measured agents under a chosen HTTP stack: ``python served.py PORT LOOP HTTP STORAGE``, a file or a database's
URL. The application is the server's own."""

from __future__ import annotations

import gc
import sys
from pathlib import Path
from typing import Literal, cast

import uvicorn
from echo_agents import echo, park, steps, stream

from dragoman.app import build_app
from dragoman.cli.http_protocol import Limits, bounded
from dragoman.settings import load

Loop = Literal["asyncio", "uvloop"]
Http = Literal["h11", "httptools"]

if __name__ == "__main__":
    port, loop, http, file = sys.argv[1:]
    storage = {"url": file} if "://" in file else {"path": Path(file)}
    settings = load(flags={"server": {"port": int(port)}, "storage": storage})
    app = build_app(settings, [echo, steps, stream, park])
    gc.freeze()  # as the server does
    gc.set_threshold(10_000, 20, 20)
    uvicorn.run(
        app,
        port=int(port),
        loop=cast(Loop, loop),
        http=bounded(Limits()) if http == "httptools" else cast(Http, http),  # as the server has it
        log_level="error",
        access_log=False,
        server_header=False,
        proxy_headers=False,
    )
