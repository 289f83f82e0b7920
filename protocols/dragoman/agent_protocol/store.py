"""The store, on both surfaces: the tenant's long-term memory.

Agent Protocol repeats ``namespace`` in a query, tells of a missing item with 404 and lists namespaces bare; the SDK
joins a namespace by dots, gets null, and has its list under ``namespaces``. A ``ttl`` is in minutes. ``query``
looks for words, not for meanings.
"""

from __future__ import annotations

from dragoman.agent_protocol import project
from dragoman.agent_protocol.endpoint import Answer, Call, empty, json_reply
from dragoman.agent_protocol.errors import ItemNotFound
from dragoman.agent_protocol.face import Face
from dragoman.agent_protocol.surface import Surface
from dragoman.agent_protocol.wire import StoreDelete, StoreGet, StoreNamespaces, StorePut, StoreSearch
from dragoman.memory.errors import InputInvalid

__all__ = ["delete", "get", "namespaces", "put", "search"]


async def put(face: Face, call: Call) -> Answer:
    """PUT /store/items"""
    asked = call.read(StorePut)
    await face.engine.put_item(
        call.principal,
        asked.namespace,
        asked.key,
        asked.value,
        ttl_s=None if asked.ttl is None else asked.ttl * 60,
        index=asked.index,
    )
    return empty()


async def get(face: Face, call: Call) -> Answer:
    """GET /store/items"""
    query = call.query()
    if "key" not in query:
        raise InputInvalid("Invalid query: key: Field required.", ({"field": "key", "problem": "Field required"},))
    namespace = query.get("namespace", [])
    if call.surface is Surface.LANGGRAPH:
        namespace = [label for joined in namespace for label in joined.split(".")]
    refresh = call.read_query(StoreGet).refresh_ttl
    found = await face.engine.get_item(call.principal, namespace, query["key"][-1], refresh=refresh)
    if found is not None:
        return json_reply(project.item(found))
    if call.surface is Surface.LANGGRAPH:
        return json_reply(None)
    raise ItemNotFound


async def delete(face: Face, call: Call) -> Answer:
    """DELETE /store/items"""
    asked = call.read(StoreDelete)
    was_there = await face.engine.delete_item(call.principal, asked.namespace, asked.key)
    if not was_there and call.surface is Surface.AGENT_PROTOCOL:
        raise ItemNotFound
    return empty()


async def search(face: Face, call: Call) -> Answer:
    """POST /store/items/search"""
    asked = call.read(StoreSearch)
    found = await face.engine.search_items(
        call.principal,
        asked.namespace_prefix or (),
        asked.filter,
        asked.limit,
        asked.offset,
        query=asked.query or None,
        refresh=asked.refresh_ttl,
    )
    return json_reply({"items": [project.item(item) for item in found]})


async def namespaces(face: Face, call: Call) -> Answer:
    """POST /store/namespaces"""
    asked = call.read(StoreNamespaces)
    found = await face.engine.namespaces(
        call.principal, asked.prefix, asked.suffix, asked.max_depth, asked.limit, asked.offset
    )
    listed = [list(namespace) for namespace in found]
    return json_reply({"namespaces": listed} if call.surface is Surface.LANGGRAPH else listed)
