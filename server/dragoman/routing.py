"""Routes without parameters, found by one look-up; Starlette tries its routes one after another.

A run over any face comes by such a route, and trying costs more than the face itself. What is found here is what
Starlette would have found; anything else goes on to it: parameters, other methods, an application mounted below a path.
"""

from __future__ import annotations

from collections.abc import Iterable

from starlette.routing import BaseRoute, Match, Route
from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["ExactPaths"]


class ExactPaths:
    """Calls the endpoint of a route whose path is the request's; ``app`` has the same routes."""

    def __init__(self, app: ASGIApp, routes: Iterable[BaseRoute]) -> None:
        self.app = app
        self._endpoints: dict[tuple[str, str], ASGIApp] = {}
        known = list(routes)
        for route in known:
            # A plain function is an endpoint of Starlette's own kind and answers by its help.
            if isinstance(route, Route) and not route.param_convertors and route.app is route.endpoint:
                for method in route.methods or ():
                    if _first(known, method, route.path) is route:
                        self._endpoints[method, route.path] = route.app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not scope.get("root_path"):
            endpoint = self._endpoints.get((scope["method"], scope["path"]))
            if endpoint is not None:
                scope["path_params"] = {}
                await endpoint(scope, receive, send)
                return
        await self.app(scope, receive, send)


def _first(routes: Iterable[BaseRoute], method: str, path: str) -> BaseRoute | None:
    scope: Scope = {"type": "http", "method": method, "path": path, "root_path": ""}
    return next((route for route in routes if route.matches(scope)[0] is Match.FULL), None)
