"""``dragoman deliveries``: what is owed to receivers and what was given up, also while a server has the ledger open."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from dragoman.auth.webhooks import webhook_secret
from dragoman.cli.errors import CommandError
from dragoman.cli.shown import moment, table
from dragoman.memory.outbox import DeliveryStatus
from dragoman.settings import Settings, find
from dragoman.settings.faces import webhook_key
from dragoman.settings.storage import delivery_table, is_there

__all__ = ["dead", "drop", "list_all", "retry", "secret"]


def list_all(status: str | None, limit: int, *, config: str | None, storage: str | None, as_json: bool) -> None:
    """Deliveries, oldest first."""
    settings = _settings(config, storage)
    wanted = None if status is None else DeliveryStatus(status)
    rows = [
        {
            "tenant": each.tenant,
            "run": each.run_id,
            "id": each.id,
            "url": each.url,
            "status": str(each.status),
            "told": each.cursor,
            "failures": each.attempts or None,
            "next": moment(each.next_at),
            "error": each.error or None,
        }
        for each in (delivery_table(settings).deliveries(wanted, limit) if is_there(settings) else ())
    ]
    _show(rows, as_json, f"No deliveries in {settings.storage_shown}.")


def dead(limit: int, *, config: str | None, storage: str | None, as_json: bool) -> None:
    """Dead letters, oldest first."""
    settings = _settings(config, storage)
    rows = [
        {
            "number": each.number,
            "tenant": each.tenant,
            "run": each.run_id,
            "id": each.delivery_id,
            "url": each.url,
            "event": each.seq,
            "attempts": each.attempts,
            "at": moment(each.at),
            "waits": each.stopped,
            "error": each.error,
            **({"body": _text(each.body)} if as_json else {}),
        }
        for each in (delivery_table(settings).dead_letters(None, limit) if is_there(settings) else ())
    ]
    _show(rows, as_json, f"No dead letters in {settings.storage_shown}.")


def retry(number: int | None, *, every: bool, config: str | None, storage: str | None) -> None:
    """Send dead letters again."""
    settings = _settings(config, storage)
    if (number is None) != every:
        raise CommandError("Say which: a number, or --all; `dragoman deliveries dead` shows them.")
    known = delivery_table(settings)
    if number is not None:
        if not is_there(settings) or not known.retry(number):
            raise _unknown(number, settings.storage_shown)
        print(f"Dead letter {number} and what comes after it will be sent again.", file=sys.stderr)
        return
    tried = 0
    # Taking one up again takes the later ones of its delivery along, so that the rest is read anew.
    while is_there(settings) and (letters := known.dead_letters(None, 1)):
        tried += known.retry(letters[0].number)
    print(f"{tried} deliveries go on at their dead letters.", file=sys.stderr)


def drop(number: int, *, config: str | None, storage: str | None) -> None:
    """Forget one dead letter."""
    settings = _settings(config, storage)
    if not is_there(settings) or not delivery_table(settings).drop(number):
        raise _unknown(number, settings.storage_shown)
    print(f"Dead letter {number} is forgotten; its delivery goes on with what comes after it.", file=sys.stderr)


def secret(tenant: str, *, config: str | None, storage: str | None) -> None:
    """The secret of a tenant's receivers, to stdout, alone."""
    print(webhook_secret(webhook_key(_settings(config, storage)), tenant))


def _show(rows: Sequence[Mapping[str, Any]], as_json: bool, nothing: str) -> None:
    if as_json:
        print(json.dumps(rows, indent=2))
    elif rows:
        table(rows)
    else:
        print(nothing, file=sys.stderr)


def _text(body: bytes | None) -> str | None:
    return None if body is None else body.decode(errors="replace")


def _unknown(number: int, place: str) -> CommandError:
    return CommandError(f"There is no dead letter {number} in {place}; `dragoman deliveries dead` shows them.")


def _settings(config: str | None, storage: str | None) -> Settings:
    return find(config, {"storage": {"path": storage}}, needs_agents=False)
