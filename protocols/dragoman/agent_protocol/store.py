"""The store, on both surfaces: the tenant's long-term memory.

Agent Protocol repeats ``namespace`` in a query, tells of a missing item with 404 and lists namespaces bare; the SDK
joins a namespace by dots, gets null, and has its list under ``namespaces``.
"""

from __future__ import annotations

from dragoman.agent_protocol import project
from dragoman.agent_protocol.endpoint import Answer, Call, empty, json_reply
from dragoman.agent_protocol.errors import ItemNotFound
from dragoman.agent_protocol.face import Face
from dragoman.agent_protocol.surface import Surface
from dragoman.agent_protocol.unkept import refuse_given
from dragoman.agent_protocol.wire import StoreDelete, StoreNamespaces, StorePut, StoreSearch
from dragoman.memory.errors import InputInvalid

__all__ = ["delete", "get", "namespaces", "put", "search"]


async def put(face: Face, call: Call) -> Answer:
    """PUT /store/items"""
    body = call.body()
    refuse_given(body, {"ttl": "an item is kept until it is deleted"})
    asked = call.read(StorePut, body)
    await face.engine.put_item(call.principal, asked.namespace, asked.key, asked.value)
    return empty()


async def get(face: Face, call: Call) -> Answer:
    """GET /store/items"""
    query = call.query()
    if "key" not in query:
        raise InputInvalid("Invalid query: key: Field required.", ({"field": "key", "problem": "Field required"},))
    namespace = query.get("namespace", [])
    if call.surface is Surface.LANGGRAPH:
        namespace = [label for joined in namespace for label in joined.split(".")]
    found = await face.engine.get_item(call.principal, namespace, query["key"][-1])
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
    body = call.body()
    refuse_given(body, {"query": "items are found by namespace and filter"})
    asked = call.read(StoreSearch, body)
    found = await face.engine.search_items(
        call.principal, asked.namespace_prefix or (), asked.filter, asked.limit, asked.offset
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
