"""A question as a request to the client, and the client's response as the answer. Pure.

Most questions are forms (``forms.py``). One whose payload holds a request for the client itself, a completion of its
model or its roots, is that request where the client takes it, and a form like any other where it does not. MRTR, tasks
and the older era's requests all come here.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from dragoman.agents.client import CLIENT_REQUEST
from dragoman.mcp import forms
from dragoman.mcp.call import CAPABILITY, Call
from dragoman.mcp.errors import INVALID_PARAMS, ProtocolError
from dragoman.mcp.objects import is_object
from dragoman.memory.model import Interrupt, Json

__all__ = ["answer_of", "askable", "capability_of", "method_for", "request_for"]


_OF_THE_CLIENT: Final = ("sampling/createMessage", "roots/list")


def method_for(call: Call, interrupt: Interrupt) -> str | None:
    """The request by which this client can be asked, or None where it can be asked in no way."""
    own = _own_request(interrupt)
    if own is not None and call.may_ask(own["method"]):
        method: str = own["method"]
        return method
    return "elicitation/create" if forms.askable(interrupt) and call.elicits else None


def askable(call: Call, interrupts: Iterable[Interrupt]) -> list[Interrupt]:
    """Those that this client can be asked."""
    return [i for i in interrupts if method_for(call, i) is not None]


def capability_of(interrupt: Interrupt) -> str:
    """The capability by which a question is best asked."""
    own = _own_request(interrupt)
    return CAPABILITY["elicitation/create" if own is None else own["method"]]


def request_for(call: Call, interrupt: Interrupt, problem: str = "") -> dict[str, Json]:
    """The ``method`` and ``params`` that ask an askable question; ``problem`` tells why it is asked again."""
    method, own = method_for(call, interrupt), _own_request(interrupt)
    if own is not None and method == own["method"]:
        return {"method": method, "params": own.get("params") or {}}
    return {"method": "elicitation/create", "params": forms.elicit_params(interrupt, call.version, problem)}


def answer_of(interrupt: Interrupt, response: Json, version: str) -> Json | forms.Outcome:
    """The answer in a client's response, or what was done instead. Whether it fits the question's schema is not looked
    at here. Raises ``ProtocolError`` for what is no response, ``InputInvalid`` for a field that is not the JSON it
    should be."""
    if _own_request(interrupt) is None:
        return forms.answer_of(interrupt, response, version)
    if not is_object(response):
        raise ProtocolError(INVALID_PARAMS, f"The response to {interrupt.key!r} must be an object.")
    return forms.answer_of(interrupt, response, version) if "action" in response else response


def _own_request(interrupt: Interrupt) -> dict[str, Any] | None:
    payload: Any = interrupt.payload
    request: Any = payload.get(CLIENT_REQUEST) if is_object(payload) else None
    return request if is_object(request) and request.get("method") in _OF_THE_CLIENT else None
