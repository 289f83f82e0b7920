"""Content as content blocks of a version of MCP. Pure.

What a version has no block for is told in text: the face never sends a shape that a client cannot know. Follows
"ContentBlock" of 2025-11-25 and 2026-07-28.
"""

from __future__ import annotations

from dragoman.agents.content import Audio, Content, Embedded, Link
from dragoman.mcp import eras
from dragoman.memory.model import Json

__all__ = ["block"]


def block(content: Content, version: str) -> dict[str, Json]:
    """A content block."""
    told = content.to_json()
    if isinstance(content, Embedded):
        del told["type"]
        return {"type": "resource", "resource": told}
    if isinstance(content, Audio) and not eras.has("audio", version):
        return {"type": "text", "text": f"A sound ({content.mime_type}, {len(content.data)} bytes)."}
    if isinstance(content, Link) and not eras.has("resource_link", version):
        return {"type": "text", "text": f"{content.title or content.name}: {content.uri}"}
    return told
