"""Versions as data: which method, and which part of a result, exists in which version of MCP.

Absence from a table is the gate: nothing in this package compares dates. The modern era is stateless (every request
says its version and capabilities in ``_meta``); the older one begins with ``initialize``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

__all__ = ["ALL", "FEATURES", "LATEST_OLDER", "MODERN", "OLDER", "SUPPORTED", "VERBS", "has"]

OLDER: Final = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
MODERN: Final = ("2026-07-28",)
ALL: Final = OLDER + MODERN
SUPPORTED: Final = tuple(reversed(ALL))
"""What is told to clients: newest first."""
LATEST_OLDER: Final = "2025-11-25"

_FROM_2025_03_26: Final = ("2025-03-26", "2025-06-18", "2025-11-25", *MODERN)
_FROM_2025_06_18: Final = ("2025-06-18", "2025-11-25", *MODERN)
_FROM_2025_11_25: Final = ("2025-11-25", *MODERN)

_METHODS: Final[tuple[tuple[str, tuple[str, ...], str], ...]] = (
    ("server/discover", MODERN, "discover"),
    ("initialize", OLDER, "initialize"),
    ("ping", OLDER, "ping"),
    ("logging/setLevel", OLDER, "set_level"),
    ("tools/list", ALL, "list_tools"),
    ("tools/call", ALL, "call_tool"),
    ("resources/list", ALL, "list_resources"),
    ("resources/templates/list", ALL, "list_templates"),
    ("resources/read", ALL, "read_resource"),
    ("resources/subscribe", OLDER, "subscribe"),
    ("resources/unsubscribe", OLDER, "unsubscribe"),
    ("subscriptions/listen", MODERN, "listen"),
    ("prompts/list", ALL, "list_prompts"),
    ("prompts/get", ALL, "get_prompt"),
    ("completion/complete", ALL, "complete"),
    ("tasks/get", MODERN, "get_task"),
    ("tasks/update", MODERN, "update_task"),
    ("tasks/cancel", MODERN, "cancel_task"),
)

VERBS: Final[Mapping[tuple[str, str], str]] = {
    (method, version): verb for method, versions, verb in _METHODS for version in versions
}
"""(method, version) → the kernel's verb."""

FEATURES: Final[Mapping[str, frozenset[str]]] = {
    "batches": frozenset(("2025-03-26",)),
    "audio": frozenset(_FROM_2025_03_26),
    "progress_message": frozenset(_FROM_2025_03_26),
    "annotations": frozenset(_FROM_2025_03_26),
    "titles": frozenset(_FROM_2025_06_18),
    "structured": frozenset(_FROM_2025_06_18),
    "resource_link": frozenset(_FROM_2025_06_18),
    "elicitation": frozenset(_FROM_2025_06_18),
    "elicitation_mode": frozenset(_FROM_2025_11_25),
    "resume": frozenset(("2025-03-26", "2025-06-18", "2025-11-25")),
    "priming": frozenset(("2025-11-25",)),
    "multi_select": frozenset(_FROM_2025_11_25),
    "titled_choices": frozenset(_FROM_2025_11_25),
    "form_defaults": frozenset(_FROM_2025_11_25),
    "icons": frozenset(_FROM_2025_11_25),
    "completion_context": frozenset(_FROM_2025_06_18),
}
"""Part of a result or of a request of ours → the versions that know it."""


def has(feature: str, version: str) -> bool:
    """Whether a version knows a feature."""
    return version in FEATURES[feature]
