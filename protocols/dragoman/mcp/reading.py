"""Reading what people offer with ``@resource``: which of them a URI names, and what its function gives.

A function is done within the request, as a plain tool is; it may ask, if it takes a ``CallContext``.
"""

from __future__ import annotations

import base64
import logging
from collections.abc import Mapping
from typing import Any, Final

from dragoman.agents.catalog import Catalog
from dragoman.agents.errors import CannotAsk, RequestError
from dragoman.agents.resource import Resource
from dragoman.mcp import eras, scopes
from dragoman.mcp.call import Call
from dragoman.mcp.errors import INTERNAL, ProtocolError, capability_missing
from dragoman.mcp.plain import InputRequired, Plain, TookTooLong
from dragoman.mcp.plain_context import PlainContext
from dragoman.memory.codec import dumps
from dragoman.memory.errors import DragomanError, InputInvalid, NotFound
from dragoman.memory.model import Json

__all__ = ["entry", "find_resource", "read_offered", "template_entry"]

_BYTES: Final = "application/octet-stream"
_JSON: Final = "application/json"
_TEXT: Final = "text/plain"
_log = logging.getLogger("dragoman.mcp")


def find_resource(catalog: Catalog, uri: str) -> tuple[Resource, dict[str, str]] | None:
    """The resource of this URI, with the values of its template's variables; None where there is none.

    One with just this URI comes before templates, which are tried in the order in which they were added.
    """
    exact = catalog.resources.get(uri)
    if exact is not None and not exact.is_template:
        return exact, {}
    for resource in catalog.resources.values():
        if resource.is_template and (values := resource.match(uri)) is not None:
            return resource, values
    return None


async def read_offered(
    call: Call, plain: Plain, resource: Resource, uri: str, values: Mapping[str, str]
) -> dict[str, Json] | InputRequired:
    """The contents under a URI.

    Raises ``ProtocolError``, ``NotFound`` where the function knows of no such thing, and other domain errors as it
    raises them.
    """
    scopes.require(call.principal, resource.scopes, f"The resource {resource.uri!r}")
    try:
        given = resource.signature.arguments(resource.signature.validate(dict(values), f"URI {uri[:200]!r}"))
    except InputInvalid as error:
        raise NotFound from error  # a value that is none of the variable's type names nothing

    async def work(context: PlainContext) -> Any:
        return await (resource.fn(context, **given) if resource.signature.takes_context else resource.fn(**given))

    try:
        done = await plain.do(call, work)
    except RequestError as error:
        raise ProtocolError(error.code, error.message, error.data) from error
    except CannotAsk as error:
        if call.modern and error.capability:
            raise capability_missing({error.capability: {}}, error.message) from error
        raise ProtocolError(INTERNAL, error.message) from error
    except TookTooLong as error:
        raise ProtocolError(INTERNAL, f"Reading {uri[:200]} took longer than {error.seconds:g} s.") from error
    except (ProtocolError, DragomanError):
        raise
    except Exception as error:
        _log.warning("the resource %s could not be read", resource.uri, exc_info=error)
        raise ProtocolError(INTERNAL, f"{uri[:200]} could not be read; the server's log has why.") from error
    return done if isinstance(done, InputRequired) else _contents(resource, uri, done.value)


def _contents(resource: Resource, uri: str, value: Any) -> dict[str, Json]:
    if isinstance(value, bytes):
        told: dict[str, Json] = {"uri": uri, "mimeType": resource.mime_type or _BYTES}
        told["blob"] = base64.b64encode(value).decode()
    elif isinstance(value, str):
        told = {"uri": uri, "mimeType": resource.mime_type or _TEXT, "text": value}
    else:
        text = dumps(resource.signature.to_json(value)).decode()
        told = {"uri": uri, "mimeType": resource.mime_type or _JSON, "text": text}
    if resource.meta:
        told["_meta"] = dict(resource.meta)
    return told


def entry(resource: Resource, version: str) -> dict[str, Json]:
    """A resource, as a list tells of it."""
    told: dict[str, Json] = {"uri": resource.uri, **_described(resource, version)}
    if resource.size is not None:
        told["size"] = resource.size
    return told


def template_entry(resource: Resource, version: str) -> dict[str, Json]:
    """A template, as a list tells of it."""
    return {"uriTemplate": resource.uri, **_described(resource, version)}


def _described(resource: Resource, version: str) -> dict[str, Json]:
    told: dict[str, Json] = {"name": resource.name}
    if resource.description:
        told["description"] = resource.description
    if resource.mime_type is not None:
        told["mimeType"] = resource.mime_type
    if eras.has("titles", version):
        told["title"] = resource.title
        if resource.meta:
            told["_meta"] = dict(resource.meta)
    if resource.icons and eras.has("icons", version):
        told["icons"] = [icon.to_json() for icon in resource.icons]
    return told
