"""Signatures of what is sent to others: Standard Webhooks 1.0, HMAC-SHA256.

Each tenant's receivers have a secret of their own, made from the server's key, so that none can sign for another's. No
HTTP here; who sends adds the headers.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from typing import Final

__all__ = ["WebhookSigner", "webhook_secret"]

_PURPOSE: Final = b"dragoman webhook\x00"
_PREFIX: Final = "whsec_"


class WebhookSigner:
    """Signs for the tenants of a server with this key; ``previous`` are keys that receivers may still know."""

    def __init__(self, key: bytes, previous: tuple[bytes, ...] = ()) -> None:
        self._keys = (key, *previous)

    def headers(self, tenant: str, message_id: str, at: int, body: bytes) -> Mapping[str, str]:
        """The headers of a message that is sent ``at`` seconds since the epoch. The id is the same at every attempt."""
        signed = f"{message_id}.{at}.".encode() + body
        told = [base64.b64encode(_mac(_derived(key, tenant), signed)).decode() for key in self._keys]
        return {
            "webhook-id": message_id,
            "webhook-timestamp": str(at),
            "webhook-signature": " ".join(f"v1,{signature}" for signature in told),
        }


def webhook_secret(key: bytes, tenant: str) -> str:
    """What a tenant's receivers check signatures with, as libraries for Standard Webhooks take it."""
    return _PREFIX + base64.b64encode(_derived(key, tenant)).decode()


def _derived(key: bytes, tenant: str) -> bytes:
    return _mac(key, _PURPOSE + tenant.encode())


def _mac(key: bytes, data: bytes) -> bytes:
    return hmac.new(key, data, hashlib.sha256).digest()
