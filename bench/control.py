"""The control: a bare Starlette route that answers the JSON it was sent. ``python control.py PORT LOOP HTTP``."""

from __future__ import annotations

import sys
from typing import Literal, cast

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route


async def echo(request: Request) -> JSONResponse:
    """What was sent, as JSON."""
    return JSONResponse(await request.json())


app = Starlette(routes=[Route("/echo", echo, methods=["POST"])])

if __name__ == "__main__":
    port, loop, http = sys.argv[1:]
    uvicorn.run(
        app,
        port=int(port),
        loop=cast(Literal["asyncio", "uvloop"], loop),
        http=cast(Literal["h11", "httptools"], http),
        log_level="error",
        access_log=False,
        server_header=False,
        proxy_headers=False,
    )
