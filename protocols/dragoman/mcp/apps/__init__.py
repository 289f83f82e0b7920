"""MCP Apps: a card that a host shows beside a tool's result, where the person answers what a run waits for.

The card (``approval.html``) is whole in itself and asks nobody but its host, through which it calls ``run_status`` and
``run_answer``. To a client that shows it, ``run_answer`` is for the card alone: the model cannot decide for the person.
Follows the extension ``io.modelcontextprotocol/ui``, version 2026-01-26.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Final

from dragoman.agents.resource import Resource, resource
from dragoman.mcp import eras
from dragoman.mcp.call import Call
from dragoman.mcp.objects import is_object
from dragoman.memory.model import Json

__all__ = ["CARD", "MIME_TYPE", "UI", "URI", "bound", "declared", "shown_to"]

UI: Final = "io.modelcontextprotocol/ui"
URI: Final = "ui://dragoman/approval.html"
MIME_TYPE: Final = "text/html;profile=mcp-app"

_NOTHING: Final[Mapping[str, Json]] = {
    "connectDomains": [],
    "resourceDomains": [],
    "frameDomains": [],
    "baseUriDomains": [],
}
"""The domains that the card needs."""


def declared(capabilities: Mapping[str, Json]) -> bool:
    """Whether a client shows such cards ("Client<>Server Capability Negotiation")."""
    extensions: Any = capabilities.get("extensions")
    ui: Any = extensions.get(UI) if is_object(extensions) else None
    types: Any = ui.get("mimeTypes") if is_object(ui) else None
    return isinstance(types, list) and MIME_TYPE in types


def shown_to(call: Call) -> bool:
    """Whether the card is shown for this call's result: it reads the result's structure, which some versions lack."""
    return eras.has("structured", call.version) and declared(call.capabilities)


def bound(tool: Mapping[str, Json], *visibility: str) -> dict[str, Json]:
    """A tool as it is listed, with the card; one that has a UI of its own keeps it.

    ``visibility`` is ``model``, ``app``, or both where none is given ("Resource Discovery").
    """
    meta: Mapping[str, Json] = tool.get("_meta", {})
    ui: dict[str, Json] = {"resourceUri": URI, **({"visibility": list(visibility)} if visibility else {})}
    return {**tool, "_meta": {"ui": ui, **meta}}


async def _read() -> str:
    return _html()


@cache
def _html() -> str:
    return files(__name__).joinpath("approval.html").read_text(encoding="utf-8")


CARD: Final[Resource] = resource(
    URI,
    name="approval",
    title="Approval",
    description="Shows what a run asks, and answers it.",
    mime_type=MIME_TYPE,
    meta={"ui": {"csp": _NOTHING, "prefersBorder": True}},
)(_read)
