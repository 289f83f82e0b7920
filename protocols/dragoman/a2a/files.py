"""Links to files: sealed, good for a while, and for whoever has one; and the route that they lead to.

A task holds small files itself; larger ones it names by a link, whose token is sealed over tenant, run, artifact and
expiry. The link is all the authority there is: the app lets anyone come to the route, as to a card.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from dragoman.a2a.http import send_whole
from dragoman.a2a.settings import A2aSettings
from dragoman.engine import Engine
from dragoman.memory.codec import dumps, loads
from dragoman.memory.errors import NotFound
from dragoman.memory.model import Artifact, Principal, Run

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

__all__ = ["FILES", "BadLink", "Links", "file_routes"]

FILES: Final = "/~files"
"""Where files are served, below the prefix; no agent can have this name."""

_NONCE: Final = 12
_LONGEST: Final = 2048
_MEDIA_TYPE: Final = re.compile(r"[\w!#$&^.+-]{1,127}/[\w!#$&^.+-]{1,127}(;[ \w!#$&^.+=\"-]{0,127})?", re.ASCII)
_LOCKED: Final = [
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; sandbox"),
    (b"cache-control", b"private, max-age=60"),
    (b"referrer-policy", b"no-referrer"),
]


class BadLink(Exception):
    """The token is not ours, was changed, or its time is over."""


class Links:
    """Makes links to artifacts, and opens their tokens."""

    def __init__(self, settings: A2aSettings) -> None:
        self._base = f"{settings.file_url.rstrip('/')}{settings.prefix}{FILES}/"
        self._limit = settings.inline_limit
        self._ttl = settings.file_ttl
        self._on = bool(settings.file_url and settings.file_key)
        keys = (settings.file_key, *settings.previous_file_keys)
        self._keys = [hashlib.sha256(b"dragoman.a2a link to a file\x00" + key).digest() for key in keys]
        self._ciphers: list[AESGCM] = []

    def link(self, run: Run, made: Artifact) -> str | None:
        """The link to an artifact of a run; None for one that is small enough to be sent itself.

        It is good for one to two times ``file_ttl``: within that time a file has one link, whoever is told of it.
        """
        if not self._on or len(made.data) <= self._limit:
            return None
        expiry = (int(time.time() / self._ttl) + 2) * self._ttl
        body = dumps([run.tenant, run.id, made.id, int(expiry)])
        nonce = hmac.digest(self._keys[0], body, "sha256")[:_NONCE]  # as unique as what is sealed
        sealed = nonce + self._aeads()[0].encrypt(nonce, body, None)
        token = base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()
        return f"{self._base}{token}/{quote(made.name.rpartition('/')[2], safe='')}"

    def open(self, token: str) -> tuple[str, str, str]:
        """Tenant, run and artifact of a link. Raises ``BadLink``."""
        body = self._opened(token) if self._on and len(token) <= _LONGEST else None
        if body is None:
            raise BadLink("There is no such file.")
        tenant, run_id, artifact_id, expiry = loads(body)
        if expiry < time.time():
            raise BadLink("The time of this link is over; get the task again for another.")
        return tenant, run_id, artifact_id

    def _opened(self, token: str) -> bytes | None:
        from cryptography.exceptions import InvalidTag

        try:
            raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
            for cipher in self._aeads():
                with suppress(InvalidTag):
                    return cipher.decrypt(raw[:_NONCE], raw[_NONCE:], None)
        except (ValueError, binascii.Error):
            pass
        return None

    def _aeads(self) -> list[AESGCM]:
        if not self._ciphers:
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # at first use: not needed to start

            self._ciphers = [AESGCM(key) for key in self._keys]
        return self._ciphers


def file_routes(engine: Engine, settings: A2aSettings) -> list[BaseRoute]:
    """The route that links lead to."""
    endpoint = _FileEndpoint(engine, Links(settings))
    return [Route(f"{settings.prefix}{FILES}/{{token}}/{{name}}", endpoint, methods=["GET"])]


class _FileEndpoint:
    def __init__(self, engine: Engine, links: Links) -> None:
        self._engine = engine
        self._links = links

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            tenant, run_id, artifact_id = self._links.open(scope["path_params"]["token"])
            view = await self._engine.view(Principal(tenant, ""), run_id)
        except (BadLink, NotFound) as error:
            await send_whole(send, 404, [(b"content-type", b"text/plain"), *_LOCKED], str(error).encode())
            return
        made = next((a for a in view.artifacts if a.id == artifact_id), None)
        if made is None:
            await send_whole(send, 404, [(b"content-type", b"text/plain"), *_LOCKED], b"The file is no longer kept.")
            return
        await send_whole(send, 200, [*_headers(made), *_LOCKED], made.data)


def _headers(made: Artifact) -> list[tuple[bytes, bytes]]:
    """What it is, and that it is to be kept, not shown (RFC 6266): it comes from an agent."""
    kind: Any = made.mime_type if _MEDIA_TYPE.fullmatch(made.mime_type) else "application/octet-stream"
    name = quote(made.name.rpartition("/")[2] or "file", safe="")
    disposition = f"attachment; filename*=UTF-8''{name}"
    return [(b"content-type", kind.encode()), (b"content-disposition", disposition.encode())]
