"""A receiver can tell what this server sent from what anybody else did."""

from __future__ import annotations

import base64
import hashlib
import hmac

from dragoman.auth.webhooks import WebhookSigner, webhook_secret

KEY, OLD = b"k" * 32, b"o" * 32


def verified(secret: str, headers: dict[str, str], body: bytes) -> bool:
    """As Standard Webhooks 1.0 has receivers do it."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    wanted = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return wanted in headers["webhook-signature"].split(" ")


def test_a_signature_is_verified_with_the_tenants_secret() -> None:
    headers = dict(WebhookSigner(KEY).headers("acme", "msg_1", 1_700_000_000, b'{"a":1}'))
    assert verified(webhook_secret(KEY, "acme"), headers, b'{"a":1}')
    assert not verified(webhook_secret(KEY, "acme"), headers, b'{"a":2}')
    assert not verified(webhook_secret(KEY, "acme"), headers | {"webhook-id": "msg_2"}, b'{"a":1}')
    assert not verified(webhook_secret(KEY, "acme"), headers | {"webhook-timestamp": "1700000001"}, b'{"a":1}')


def test_one_tenants_secret_verifies_nothing_of_anothers() -> None:
    headers = dict(WebhookSigner(KEY).headers("acme", "msg_1", 1, b""))
    assert not verified(webhook_secret(KEY, "umbrella"), headers, b"")


def test_while_a_key_is_replaced_both_secrets_verify() -> None:
    headers = dict(WebhookSigner(KEY, (OLD,)).headers("acme", "msg_1", 1, b""))
    assert verified(webhook_secret(KEY, "acme"), headers, b"")
    assert verified(webhook_secret(OLD, "acme"), headers, b"")


def test_the_secret_is_one_that_libraries_take() -> None:
    secret = webhook_secret(KEY, "acme")
    assert secret.startswith("whsec_")
    assert 24 <= len(base64.b64decode(secret.removeprefix("whsec_"))) <= 64
