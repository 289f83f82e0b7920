"""The kernel: a message in, the response out, and what precedes the response on the caller's channel.

Free of transports: HTTP and stdio hand it parsed messages, and a test can too. It knows versions and methods
(``eras.py``) and leaves the verbs to ``greeting.py``, ``tools.py``, ``tasks.py`` and others; it keeps no state of a
run and none of a client but the requests at work. An older client's session is the transport's to keep and comes with
each message.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from dragoman.agents.catalog import Catalog
from dragoman.engine import Engine
from dragoman.mcp import apps, eras, logs, tracing, uris
from dragoman.mcp.call import Call, Channel, Peer, Session
from dragoman.mcp.companions import COMPANIONS, Companions
from dragoman.mcp.completion import Completion
from dragoman.mcp.durable import DurableCalls
from dragoman.mcp.elicitation import Desk
from dragoman.mcp.errors import (
    INTERNAL,
    INVALID_PARAMS,
    METHOD_NOT_FOUND,
    ProtocolError,
    protocol_error,
    version_unsupported,
)
from dragoman.mcp.greeting import Greeting
from dragoman.mcp.ids import Ids
from dragoman.mcp.jsonrpc import Id, Notification, Reply, Request, error_bytes, result_bytes
from dragoman.mcp.listen import Listening
from dragoman.mcp.objects import is_object
from dragoman.mcp.offers import Offers
from dragoman.mcp.param_headers import check_params
from dragoman.mcp.plain import Plain
from dragoman.mcp.plain_tools import PlainTools
from dragoman.mcp.project import stamp
from dragoman.mcp.prompts import Prompts
from dragoman.mcp.push import Push, Subscribing
from dragoman.mcp.resources import Resources
from dragoman.mcp.scopes import ScopeMissing
from dragoman.mcp.sealed import Sealer
from dragoman.mcp.settings import McpSettings
from dragoman.mcp.tasks import Tasks
from dragoman.mcp.tools import Tools
from dragoman.mcp.waiting import Patience, cancel_quietly
from dragoman.mcp.watch import EVERYBODY
from dragoman.memory.ids import short_digest
from dragoman.memory.model import Json, Principal

__all__ = ["CAPABILITIES", "VERSION", "Answer", "Kernel", "declared_version", "without_meta"]

VERSION: Final = "io.modelcontextprotocol/protocolVersion"
CAPABILITIES: Final = "io.modelcontextprotocol/clientCapabilities"

_MODERN_METHODS: Final = frozenset(method for method, version in eras.VERBS if version in eras.MODERN)
_log = logging.getLogger("dragoman.mcp")

Verb: TypeAlias = Callable[[Call], Awaitable[Mapping[str, Json] | bytes]]


@dataclass(slots=True)
class Answer:
    """A response: its bytes, its error code if it is an error, the session that ``initialize`` opened, the ``scopes``
    of which the caller lacks some, and what a request changed in its session, which is to be kept before the response
    is sent."""

    body: bytes
    code: int | None = None
    session: Session | None = None
    scopes: tuple[str, ...] = ()
    change: Callable[[Session], Session] | None = None


def declared_version(request: Request) -> Json:
    """The version that a request says in ``_meta``; None for an older one."""
    meta: Any = request.params.get("_meta")
    return meta.get(VERSION) if is_object(meta) else None


def without_meta(method: str) -> ProtocolError:
    """A request of the modern era that does not say its version and capabilities."""
    return ProtocolError(INVALID_PARAMS, f'{method} needs _meta["{VERSION}"] and _meta["{CAPABILITIES}"].')


def _withdrawal(space: str | None, id: Any) -> str:
    """The name under which replicas tell each other of a request that was cancelled."""
    return f"cancelled:{short_digest(space or '', type(id).__name__, str(id))}"


class Kernel:
    """Answers messages over an engine."""

    def __init__(self, engine: Engine, settings: McpSettings, catalog: Catalog | None = None) -> None:
        self.sealer = Sealer(settings.state_key, settings.previous_keys)
        self._engine = engine
        self._settings = settings
        self._server_info = {"name": settings.name, "title": settings.title, "version": _version(settings)}
        self._catalog = catalog if catalog is not None else Catalog()
        self._desk = Desk(engine)
        self._calls: dict[tuple[str, Id], Call] = {}
        # What code changes here is told of elsewhere too: clients of the other replicas read it again.
        self._catalog.listen(lambda kind: engine.relay.tell(EVERYBODY, f"list:{kind}"))
        self._catalog.watch(lambda uri: engine.relay.tell(EVERYBODY, f"resource:{uri}"))
        patience = Patience(engine, settings, self._desk)
        plain = Plain(engine, settings, self.sealer, self._desk)
        self._offers = Offers(engine, self._catalog, settings, COMPANIONS if settings.companions else ())
        self._durable = durable = DurableCalls(engine, settings, self.sealer, patience, self._offers.shape)
        greeting = Greeting(settings, self._server_info)
        if settings.companions:
            self._catalog.add(apps.CARD)
        companions = Companions(engine, settings, patience, durable.result) if settings.companions else None
        tools = Tools(self._offers, durable, PlainTools(plain), companions, settings, self._server_info)
        tasks = Tasks(engine, settings, durable)
        resources = Resources(engine, self._catalog, settings, plain, self._server_info)
        prompts = Prompts(self._catalog, plain, settings, self._server_info)
        completion = Completion(self._catalog, prompts, Ids(engine, resources.agents), uris.TEMPLATES)
        self.listening = Listening(engine, self._catalog, settings, tasks)
        subscribing = Subscribing(engine, self._catalog, settings)
        verbs: dict[str, Verb] = {
            "discover": greeting.discover,
            "initialize": greeting.initialize,
            "ping": greeting.ping,
            "set_level": logs.set_level,
            "list_tools": tools.list_tools,
            "call_tool": tools.call_tool,
            "get_task": tasks.get_task,
            "update_task": tasks.update_task,
            "cancel_task": tasks.cancel_task,
            "list_resources": resources.list_resources,
            "list_templates": resources.list_templates,
            "read_resource": resources.read_resource,
            "subscribe": subscribing.subscribe,
            "unsubscribe": subscribing.unsubscribe,
            "listen": self.listening.listen,
            "list_prompts": prompts.list_prompts,
            "get_prompt": prompts.get_prompt,
            "complete": completion.complete,
        }
        self._verbs = {key: verbs[name] for key, name in eras.VERBS.items()}

    def check_params(self, given: Mapping[bytes, bytes], request: Request) -> None:
        """Hold the headers that mirror a tool's arguments against them. Raises ``ProtocolError``."""
        name: Any = request.params.get("name")
        offer = self._offers.find(name) if request.method == "tools/call" and isinstance(name, str) else None
        if offer is not None and offer.what.headers:
            check_params(given, offer.what.headers, request.params.get("arguments"))

    # -- messages -----------------------------------------------------------------------------------------------------
    async def request(
        self, peer: Peer, request: Request, channel: Channel, begun: Callable[[Call], None] | None = None
    ) -> Answer | None:
        """Answer a request; None for one that the client has taken back, which is owed nothing. ``begun`` is given the
        call that it is."""
        return await self._serve(peer, request, channel, None, begun)

    async def go_on(
        self,
        peer: Peer,
        request: Request,
        channel: Channel,
        begun: Callable[[Call], None],
        run_id: str,
        seen: int,
    ) -> Answer | None:
        """Answer a call of earlier, whose run is in the ledger; ``seen`` is the last event that was told of it."""
        return await self._serve(peer, request, channel, lambda call: self._durable.go_on(call, run_id, seen), begun)

    async def _serve(
        self, peer: Peer, request: Request, channel: Channel, verb: Verb | None, begun: Callable[[Call], None] | None
    ) -> Answer | None:
        call: Call | None = None
        deaf: Callable[[], None] | None = None
        try:
            call = self._call(peer, request, channel)
            verb = verb or self._verb(call)
            if begun is not None:
                begun(call)
            tracing.join(call)
            if peer.withdraws is not None:
                self._calls[peer.withdraws, request.id] = call
                deaf = self._heeds(peer, call)
            result = await verb(call)
        except Exception as error:
            answer = self._failed(request, error)
        else:
            if not isinstance(result, bytes):
                result = stamp(result, call.modern, self._server_info)
            opened = call.session if request.method == "initialize" else None
            answer = Answer(result_bytes(request.id, result), session=opened, change=call.session_change)
        finally:
            if peer.withdraws is not None and self._calls.get((peer.withdraws, request.id)) is call:
                self._calls.pop((peer.withdraws, request.id), None)
            if deaf is not None:
                deaf()
        return None if call is not None and call.withdrawn else answer

    async def notify(self, peer: Peer, notification: Notification) -> None:
        """Take a notification. Cancelling a request cancels its run, if it has one that has not ended."""
        if notification.method != "notifications/cancelled" or peer.withdraws is None:
            return
        id: Any = notification.params.get("requestId")
        call = self._calls.get((peer.withdraws, id)) if isinstance(id, str | int) else None
        if call is None:
            await self._engine.relay.leave(peer.principal.tenant, _withdrawal(peer.withdraws, id), {})
        elif call.request.method != "initialize":
            await self._withdraw(call)

    def _heeds(self, peer: Peer, call: Call) -> Callable[[], None]:
        """Have a call cancelled also where its cancellation comes to another replica."""
        name = _withdrawal(peer.withdraws, call.request.id)
        return self._engine.relay.wait(
            peer.principal.tenant, name, lambda _: self._engine.in_background(self._withdraw(call))
        )

    async def _withdraw(self, call: Call) -> None:
        call.withdrawn = True
        if call.stop is not None:
            call.stop()
        if call.run_id is not None:
            await cancel_quietly(self._engine, call.principal, call.run_id, "the request was cancelled")

    async def reply(self, peer: Peer, reply: Reply) -> None:
        """Take the reply to a request of ours. Raises ``ProtocolError`` for one that makes no sense."""
        await self._desk.reply(peer, reply)

    def hang_up(self) -> None:
        """The client sends nothing more: calls that wait for a person are answered with how their run stands, and
        subscriptions end."""
        self._desk.close()
        self.listening.end()

    def push(self, principal: Principal) -> Push:
        """What a session of the older era is told outside of its requests; to be closed with it."""
        return Push(self._engine, self._catalog, self._settings, principal)

    # -- inside -------------------------------------------------------------------------------------------------------
    @staticmethod
    def _call(peer: Peer, request: Request, channel: Channel) -> Call:
        meta: Any = request.params.get("_meta")
        if meta is None:
            meta = {}
        elif not is_object(meta):
            raise ProtocolError(INVALID_PARAMS, '"_meta" must be an object.')
        if VERSION not in meta:
            session = peer.session
            if session is None:
                return Call(peer.principal, request, peer.version, False, meta, {}, channel)
            return Call(peer.principal, request, session.version, False, meta, session.capabilities, channel, session)
        version, capabilities = meta[VERSION], meta.get(CAPABILITIES)
        if not isinstance(version, str):
            raise ProtocolError(INVALID_PARAMS, f'_meta["{VERSION}"] must be a string.')
        if version not in eras.MODERN:
            raise version_unsupported(version)
        if not is_object(capabilities):
            raise ProtocolError(INVALID_PARAMS, f'_meta["{CAPABILITIES}"] is required and must be an object.')
        return Call(peer.principal, request, version, True, meta, capabilities, channel)

    def _verb(self, call: Call) -> Verb:
        method = call.request.method
        verb = self._verbs.get((method, call.version))
        if verb is not None:
            return verb
        if not call.modern and method in _MODERN_METHODS:
            raise without_meta(method)
        raise ProtocolError(METHOD_NOT_FOUND, f"Method not found: {method[:80]} is not served in MCP {call.version}.")

    @staticmethod
    def _failed(request: Request, error: Exception) -> Answer:
        told = protocol_error(error)
        if told is None:
            _log.error("%s failed", request.method, exc_info=error)
            told = ProtocolError(INTERNAL, "Internal error; the server's log has it.")
        scopes = told.scopes if isinstance(told, ScopeMissing) else ()
        return Answer(error_bytes(told, request.id), told.code, scopes=scopes)


def _version(settings: McpSettings) -> str:
    if settings.version is not None:
        return settings.version
    from importlib.metadata import version  # slow to import, and the app may have told the version already

    return version("dragoman")
