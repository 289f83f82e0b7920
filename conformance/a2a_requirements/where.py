"""Where the tests of A2A's requirements stand, how one is written down, and reasons that several share."""

from __future__ import annotations

from typing import Final

from conformance.requirement import Requirement

__all__ = [
    "BINDINGS",
    "CALLS",
    "CARDS",
    "CLIENT",
    "ERRORS",
    "HANDLER",
    "KILLED",
    "LISTS",
    "OPERATOR",
    "OTHERS",
    "OURS",
    "PARAMS",
    "PROJECT",
    "PUSH",
    "PUSH_SERVER",
    "QUESTIONS",
    "SIGNING",
    "STREAM",
    "SUBSCRIPTIONS",
    "TASKS",
    "must",
]

_A2A: Final = "tests/protocols/a2a/test_"
BINDINGS: Final = f"{_A2A}bindings.py::test_"
CALLS: Final = f"{_A2A}calls.py::test_"
CARDS: Final = f"{_A2A}cards.py::test_"
ERRORS: Final = f"{_A2A}errors.py::test_"
HANDLER: Final = f"{_A2A}handler.py::test_"
KILLED: Final = f"{_A2A}killed_streams.py::test_"
LISTS: Final = f"{_A2A}lists.py::test_"
OURS: Final = f"{_A2A}requirements.py::test_"
PARAMS: Final = f"{_A2A}params.py::test_"
PROJECT: Final = f"{_A2A}project.py::test_"
PUSH: Final = f"{_A2A}push.py::test_"
PUSH_SERVER: Final = f"{_A2A}push_server.py::test_"
QUESTIONS: Final = f"{_A2A}questions.py::test_"
SIGNING: Final = f"{_A2A}signing.py::test_"
STREAM: Final = f"{_A2A}stream.py::test_"
SUBSCRIPTIONS: Final = f"{_A2A}subscriptions.py::test_"
TASKS: Final = f"{_A2A}tasks.py::test_"

CLIENT: Final = "It binds clients."
OPERATOR: Final = "It binds who runs the server; Dragoman does not listen beyond this machine without asking who calls."
OTHERS: Final = "It binds bindings and extensions that others write; Dragoman has the three of the specification."


def must(id: str, section: str, says: str, *tests: str, unmet: str = "", outside: str = "") -> Requirement:
    """A requirement of A2A 1.0."""
    return Requirement(
        id=f"a2a.{id}", page="A2A 1.0", section=section, says=says, tests=tests, unmet=unmet, outside=outside
    )
