"""Artifacts of runs as content blocks and resource contents. Pure."""

from __future__ import annotations

import base64

from dragoman.mcp import eras
from dragoman.memory.model import Artifact, Json

__all__ = ["block", "contents", "uri_of"]


def uri_of(run_id: str, artifact_id: str) -> str:
    """Where an artifact is read."""
    return f"dragoman://runs/{run_id}/artifacts/{artifact_id}"


def block(artifact: Artifact, run_id: str, version: str, embed_limit: int) -> dict[str, Json]:
    """An artifact as a content block: embedded up to ``embed_limit`` bytes, else a link where the version has links."""
    uri = uri_of(run_id, artifact.id)
    family = artifact.mime_type.partition("/")[0]
    if len(artifact.data) > embed_limit:
        if eras.has("resource_link", version):
            named: dict[str, Json] = {"uri": uri, "name": artifact.name, "mimeType": artifact.mime_type}
            return {"type": "resource_link", **named, "size": len(artifact.data)}
        return {"type": "text", "text": f"{artifact.name} ({artifact.mime_type}, {len(artifact.data)} bytes): {uri}"}
    if family == "image" or (family == "audio" and eras.has("audio", version)):
        data = base64.b64encode(artifact.data).decode()
        return {"type": family, "data": data, "mimeType": artifact.mime_type}
    return {"type": "resource", "resource": contents(artifact, run_id)}


def contents(artifact: Artifact, run_id: str) -> dict[str, Json]:
    """An artifact as resource contents: text where it is text, else base64."""
    told: dict[str, Json] = {"uri": uri_of(run_id, artifact.id), "mimeType": artifact.mime_type}
    textual = artifact.mime_type.startswith("text/") or artifact.mime_type.endswith(("json", "xml", "yaml"))
    if textual:
        try:
            return {**told, "text": artifact.data.decode()}
        except UnicodeDecodeError:
            pass
    return {**told, "blob": base64.b64encode(artifact.data).decode()}
