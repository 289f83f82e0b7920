"""Request bodies of the LangGraph SDK's assistants (``langgraph-sdk`` 0.4.14, AssistantsClient), as pydantic models."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from dragoman.agent_protocol.wire import Body, Config, Fields, Limit, Object, Offset, Query, Uuid

__all__ = ["AssistantCreate", "AssistantDeletion", "AssistantLatest", "AssistantUpdate", "VersionList"]

Name = Annotated[str, Field(min_length=1, max_length=256)]
Description = Annotated[str, Field(max_length=16_384)]


class AssistantCreate(Body):
    """POST /assistants"""

    graph_id: str
    assistant_id: Uuid | None = None
    config: Config | None = None
    context: Fields
    metadata: Fields
    if_exists: Literal["raise", "do_nothing"] = "raise"
    name: Name | None = None
    description: Description | None = None


class AssistantUpdate(Body):
    """PATCH /assistants/{assistant_id}"""

    graph_id: str | None = None
    config: Config | None = None
    context: Object | None = None
    metadata: Object | None = None
    name: Name | None = None
    description: Description | None = None


class VersionList(Body):
    """POST /assistants/{assistant_id}/versions"""

    metadata: Fields
    limit: Limit = 10
    offset: Offset = 0


class AssistantLatest(Body):
    """POST /assistants/{assistant_id}/latest"""

    version: Annotated[int, Field(ge=1, le=2**53)]


class AssistantDeletion(Query):
    """DELETE /assistants/{assistant_id}"""

    delete_threads: bool = False
