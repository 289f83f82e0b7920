"""What an operator says of peers, ``[peers]``: plain values. ``client_cards`` acts on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from dragoman.memory.model import Json

__all__ = ["Binding", "PeerSettings"]

Binding = Literal["JSONRPC", "HTTP+JSON", "GRPC"]


@dataclass(frozen=True, slots=True)
class PeerSettings:
    """One peer, or all that is under an address.

    ``keys`` are the public JSON Web Keys that its card must be signed with one of; ``keys_url`` is where they are
    fetched instead. ``headers`` go with every request, and hold its credential. ``binding`` is the only one to use,
    where that is not left to the card.
    """

    name: str
    url: str
    keys: Sequence[Mapping[str, Json]] = ()
    keys_url: str = ""
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    binding: Binding | None = None

    @property
    def signed(self) -> bool:
        """Whether its card must be signed."""
        return bool(self.keys or self.keys_url)

    def covers(self, url: str) -> bool:
        """Whether an address is this peer's, or under it."""
        own = self.url.partition("/.well-known/")[0].rstrip("/")
        return url == self.url or url == own or url.startswith(f"{own}/")
