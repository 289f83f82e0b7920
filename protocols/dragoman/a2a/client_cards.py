"""The cards of peers: fetched, checked against the keys that are known for them, and kept for a while.

Says by which interface a peer is called and with what headers; ``client_calls`` calls it. Imports the SDK, which reads
cards of 1.0 and of 0.3.
"""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, Final, cast
from urllib.parse import urlsplit

import httpx
from google.protobuf.json_format import MessageToDict, ParseError

from a2a.client.card_resolver import parse_agent_card
from a2a.types import a2a_pb2 as pb
from dragoman.a2a.client_errors import as_remote, of_status
from dragoman.a2a.client_settings import PeerSettings
from dragoman.a2a.client_signatures import is_signed_by
from dragoman.agents.remote import RemoteUnusable
from dragoman.auth.dialling import pinned_client
from dragoman.auth.egress import Egress
from dragoman.memory.codec import loads
from dragoman.memory.model import Json

__all__ = ["Cards", "Found"]

_WELL_KNOWN: Final = "/.well-known/agent-card.json"
_KEEP: Final = 300.0  # seconds that a card and a key set are not asked for again
_BIGGEST: Final = 1_048_576  # bytes of a card, and of a key set
_WAIT: Final = 15.0
_VERSIONS: Final = ("1.0", "0.3")  # the better first
_BINDINGS: Final = ("JSONRPC", "HTTP+JSON", "GRPC")


@dataclass(frozen=True, slots=True)
class Found:
    """A peer that can be called: its card with the one interface to use, and the headers that go along."""

    name: str
    card: pb.AgentCard
    headers: Mapping[str, str] = field(repr=False)

    @property
    def interface(self) -> pb.AgentInterface:
        """Where and how it is called."""
        return self.card.supported_interfaces[0]

    @property
    def streams(self) -> bool:
        """Whether it tells what happens as it happens."""
        return self.card.capabilities.streaming


class Cards:
    """The cards of all peers that are called."""

    def __init__(self, peers: Sequence[PeerSettings], egress: Egress) -> None:
        self._peers = sorted(peers, key=lambda peer: len(peer.url), reverse=True)  # the closest one is met first
        self._egress = egress
        self._known: dict[str, tuple[float, Found]] = {}
        self._keys: dict[str, tuple[float, Sequence[Mapping[str, Json]]]] = {}

    async def find(self, peer: str) -> Found:
        """The peer at an address, or of that name. Raises ``RemoteUnreachable``, ``RemoteUnusable``."""
        at, found = self._known.get(peer, (0.0, None))
        if found is not None and time.monotonic() - at < _KEEP:
            return found
        settings, url = self._address(peer)
        found = await self._found(peer, url, settings)
        self._known[peer] = (time.monotonic(), found)
        return found

    def forget(self, peer: str) -> None:
        """Ask for the card again next time."""
        self._known.pop(peer, None)

    # -- inside -------------------------------------------------------------------------------------------------------
    def _address(self, peer: str) -> tuple[PeerSettings, str]:
        named = next((known for known in self._peers if known.name == peer), None)
        url = named.url if named else peer
        if not url.startswith(("https://", "http://")):
            known = ", ".join(repr(p.name) for p in self._peers) or "none"
            raise RemoteUnusable(
                f"{peer[:80]!r} is no address of an agent, as https://agents.example/a2a/refunds, and no name under "
                f"[peers]; there are: {known}."
            )
        settings = named or next((p for p in self._peers if p.covers(url)), PeerSettings(peer, url))
        parts = urlsplit(url)
        return settings, url if parts.path.endswith(".json") or parts.query else f"{url.rstrip('/')}{_WELL_KNOWN}"

    async def _found(self, peer: str, url: str, settings: PeerSettings) -> Found:
        told = await self._fetch(peer, url, settings.headers)
        if not isinstance(told, dict):
            raise RemoteUnusable(f"{url} holds no agent card: a JSON object is expected.")
        raw = cast("dict[str, Json]", told)
        try:
            card = parse_agent_card(deepcopy(raw))
        except (ParseError, ValueError, TypeError, AttributeError) as error:
            raise RemoteUnusable(f"{url} holds no agent card that can be understood: {str(error)[:200]}") from None
        if settings.signed:
            await self._check(peer, url, settings, raw, card)
        chosen = _choose(peer, card, settings)
        reduced = pb.AgentCard()
        reduced.CopyFrom(card)
        del reduced.supported_interfaces[:]
        reduced.supported_interfaces.append(chosen)
        return Found(peer, reduced, _headers(peer, url, chosen, settings))

    async def _check(
        self, peer: str, url: str, settings: PeerSettings, raw: Mapping[str, Json], card: pb.AgentCard
    ) -> None:
        understood: Any = MessageToDict(card)
        if is_signed_by(raw, understood, await self._keys_of(peer, settings)):
            return
        self._keys.pop(settings.keys_url, None)  # a key may be new
        if settings.keys_url and is_signed_by(raw, understood, await self._keys_of(peer, settings)):
            return
        how = "has no signature by" if raw.get("signatures") else "is not signed, and must be by"
        raise RemoteUnusable(f"The card at {url} {how} a key that [peers] {settings.name} names; it is not called.")

    async def _keys_of(self, peer: str, settings: PeerSettings) -> Sequence[Mapping[str, Json]]:
        if not settings.keys_url:
            return settings.keys
        at, keys = self._keys.get(settings.keys_url, (0.0, ()))
        if keys and time.monotonic() - at < _KEEP:
            return keys
        told: Any = await self._fetch(peer, settings.keys_url, {})
        listed: Any = cast("dict[str, Any]", told).get("keys") if isinstance(told, dict) else None
        if not isinstance(listed, list):
            raise RemoteUnusable(f"{settings.keys_url} holds no JSON Web Key Set.")
        found: list[Mapping[str, Json]] = [key for key in cast("Any", listed) if isinstance(key, dict)]
        self._keys[settings.keys_url] = (time.monotonic(), found)
        return found

    async def _fetch(self, peer: str, url: str, headers: Mapping[str, str]) -> Json:
        sent = {"accept": "application/json", "user-agent": "Dragoman", "a2a-version": "1.0", **headers}
        client = pinned_client(self._egress)
        client.timeout = httpx.Timeout(_WAIT)
        try:
            async with client, client.stream("GET", url, headers=sent) as answer:
                if not answer.is_success:
                    raise of_status(url, answer.status_code)
                return loads(await _bounded(url, answer))
        except ValueError:
            raise RemoteUnusable(f"{url} holds no JSON.") from None
        except Exception as error:
            raise as_remote(peer, error) from error


async def _bounded(url: str, answer: httpx.Response) -> bytes:
    body = bytearray()
    async for piece in answer.aiter_bytes():
        body += piece
        if len(body) > _BIGGEST:
            raise RemoteUnusable(f"{url} holds more than {_BIGGEST} bytes.")
    return bytes(body)


def _choose(peer: str, card: pb.AgentCard, settings: PeerSettings) -> pb.AgentInterface:
    """The interface that the card prefers, of those that are spoken here; 1.0 before 0.3."""
    usable = [i for i in card.supported_interfaces if _spoken(i) and settings.binding in (None, i.protocol_binding)]
    best = min(usable, key=lambda i: _VERSIONS.index(_version(i)), default=None)
    if best is not None:
        return best
    there = ", ".join(f"{i.protocol_binding} {i.protocol_version}" for i in card.supported_interfaces) or "none"
    wanted = settings.binding or "JSONRPC, HTTP+JSON, GRPC (with the extra grpc)"
    raise RemoteUnusable(f"{peer} has no interface that is spoken here: {wanted} of 1.0 or 0.3; its card has {there}.")


def _spoken(interface: pb.AgentInterface) -> bool:
    if interface.protocol_binding == "GRPC" and importlib.util.find_spec("grpc") is None:
        return False
    return interface.protocol_binding in _BINDINGS and _version(interface) in _VERSIONS


def _version(interface: pb.AgentInterface) -> str:
    """Major.Minor (section 3.6)."""
    return ".".join((interface.protocol_version or "1.0").split(".")[:2])


def _headers(peer: str, url: str, interface: pb.AgentInterface, settings: PeerSettings) -> Mapping[str, str]:
    """The credential goes to the host that it was given for, or where a signed card says."""
    if not settings.headers or settings.signed:
        return settings.headers
    where = urlsplit(interface.url if "://" in interface.url else f"//{interface.url}").hostname
    if where == urlsplit(url).hostname:
        return settings.headers
    raise RemoteUnusable(
        f"The card of {peer} leads to another host ({where}), which is not shown the credential of [peers] "
        f"{settings.name}. Name the keys that the card is signed with, or the peer's own address."
    )
