"""The requirements of A2A 1.0, a module for a part of the specification."""

from __future__ import annotations

from typing import Final

from conformance.a2a_requirements.bindings import BINDINGS
from conformance.a2a_requirements.operations import OPERATIONS
from conformance.a2a_requirements.security import SECURITY
from conformance.requirement import Requirement

__all__ = ["ALL"]

ALL: Final[tuple[Requirement, ...]] = (*OPERATIONS, *BINDINGS, *SECURITY)
