"""The tables of the faces."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, Strict

from dragoman.settings.values import Count, Names, Seconds, Table

__all__ = ["A2aTable", "McpTable"]


class A2aTable(Table):
    """``[a2a]``: see ``A2aSettings``. Times are seconds, sizes bytes; paths start at the folder of the settings file.

    ``sign`` has cards signed, by the key in ``signing_key`` or else in a file beside the ledger.
    ``extensions`` are AgentExtension objects by their URIs, such as ``{"urn:acme:loyalty:v1": {required = true}}``.
    """

    default_agent: str | None = None
    provider: str = ""
    provider_url: str = ""
    documentation_url: str = ""
    icon_url: str = ""
    sign: bool = True
    signing_key: str = ""
    extensions: dict[str, dict[str, Any]] = Field(default_factory=dict[str, dict[str, Any]])
    busy: Literal["reject", "enqueue", "interrupt", "rollback"] = "reject"
    idempotent: bool = True
    blocking_wait: Seconds = 3600.0
    long_poll: Annotated[Seconds, Field(le=300)] = 30.0
    inline_limit: Annotated[int, Strict(), Field(ge=0)] = 262_144
    file_ttl: Seconds = 3600.0
    grpc_port: Annotated[int, Strict(), Field(ge=1, le=65535)] | None = None
    grpc_url: str = ""
    grpc_certificate: str = ""
    grpc_private_key: str = ""


class McpTable(Table):
    """``[mcp]``: see ``McpSettings``. ``tools`` are globs over the names of agents and of tools, exposed or not; those
    with a ``!`` in front leave out what the others chose. Without it: every agent and every exposed tool. ``prompts``
    and ``skills`` are folders beside the settings file, empty for none. Times are seconds unless their name says
    otherwise."""

    tools: Names | None = None
    companions: bool = True
    inline_wait: Annotated[Seconds, Field(le=60)] = 0.5
    call_wait: Seconds = 55.0
    elicit_wait: Annotated[float, Strict(), Field(ge=0, allow_inf_nan=False)] = 0.0
    keepalive: Seconds = 15.0
    stream_close_after: Seconds | None = None
    page_size: Annotated[Count, Field(le=1000)] = 100
    listed_runs: Annotated[Count, Field(le=1000)] = 100
    listen_streams: Count = 64
    listen_items: Count = 1000
    state_ttl: Seconds = 86_400.0
    session_ttl: Seconds = 86_400.0
    embed_limit: Annotated[int, Strict(), Field(ge=0)] = 262_144
    poll_interval_ms: Count = 1000
    list_ttl_ms: Annotated[int, Strict(), Field(ge=0)] = 60_000
    name: Annotated[str, Field(min_length=1)] = "dragoman"
    title: Annotated[str, Field(min_length=1)] = "Dragoman"
    instructions: str = ""
    prompts: str = "prompts"
    skills: str = "skills"
