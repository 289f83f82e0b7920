"""The requirements of MCP 2026-07-28 and of its tasks extension, a module for a part of the specification."""

from __future__ import annotations

from typing import Final

from conformance.mcp_requirements.authorization import AUTHORIZATION
from conformance.mcp_requirements.base import BASE
from conformance.mcp_requirements.client import CLIENT
from conformance.mcp_requirements.patterns import PATTERNS
from conformance.mcp_requirements.server import SERVER
from conformance.mcp_requirements.tasks import TASKS
from conformance.mcp_requirements.transports import TRANSPORTS
from conformance.requirement import Requirement

__all__ = ["ALL"]

ALL: Final[tuple[Requirement, ...]] = (*BASE, *PATTERNS, *TRANSPORTS, *SERVER, *CLIENT, *AUTHORIZATION, *TASKS)
