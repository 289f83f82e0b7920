"""Every domain error has its place among the protocol's errors, and the codes are those of the SDK."""

from __future__ import annotations

import pytest
from a2a.utils import errors as sdk

from dragoman.a2a import errors
from dragoman.a2a.errors import Fault, Kind, fault_of, invalid
from dragoman.engine import SlowSubscriber
from dragoman.memory.errors import (
    AgentNotFound,
    Conflict,
    DragomanError,
    InputInvalid,
    LedgerBusy,
    NotPermitted,
    QueueFull,
    RunEnded,
    RunNotFound,
    ThreadBusy,
    ThreadNotFound,
)

TABLE: list[tuple[DragomanError, int, str]] = [
    (RunNotFound(), -32001, "TASK_NOT_FOUND"),
    (ThreadNotFound(), -32001, "TASK_NOT_FOUND"),
    (AgentNotFound(), -32600, "AGENT_NOT_FOUND"),
    (InputInvalid("amount: too large"), -32602, "INVALID_PARAMS"),
    (Conflict(), -32004, "UNSUPPORTED_OPERATION"),
    (RunEnded(), -32004, "UNSUPPORTED_OPERATION"),
    (ThreadBusy(), -32004, "UNSUPPORTED_OPERATION"),
    (NotPermitted(), -32600, "PERMISSION_DENIED"),
    (QueueFull("full", retry_after=2.5), -32603, "QUEUE_FULL"),
    (LedgerBusy(), -32603, "UNAVAILABLE"),
    (SlowSubscriber("slow", last_seq=7), -32603, "SLOW_SUBSCRIBER"),
]


@pytest.mark.parametrize(("error", "code", "reason"), TABLE)
@pytest.mark.requirement("a2a.errors.right")
def test_a_domain_error_is_told_with_its_code_reason_and_message(error: DragomanError, code: int, reason: str) -> None:
    fault = fault_of(error)
    assert fault is not None
    told = fault.to_jsonrpc()
    assert (told["code"], told["message"]) == (code, error.message)
    info = told["data"][0]
    assert info["@type"] == "type.googleapis.com/google.rpc.ErrorInfo"
    assert (info["reason"], info["domain"]) == (reason, "a2a-protocol.org")
    assert all(isinstance(value, str) for value in info["metadata"].values())


def test_what_is_no_domain_error_has_no_message_to_tell() -> None:
    assert fault_of(KeyError("secret")) is None
    assert fault_of(DragomanError("inner")) is None


@pytest.mark.requirement("a2a.errors.typed-details")
def test_the_fields_that_are_wrong_are_told() -> None:
    problems = ({"field": "order.id", "problem": "Field required"},)
    fault = fault_of(InputInvalid("wrong", problems))
    assert fault is not None
    assert fault.details()[1] == {
        "@type": "type.googleapis.com/google.rpc.BadRequest",
        "fieldViolations": [{"field": "order.id", "description": "Field required"}],
    }


def test_a_full_queue_tells_when_to_come_again() -> None:
    fault = fault_of(QueueFull("full", retry_after=2.5))
    assert fault is not None
    info, retry = fault.details()
    assert info["metadata"] == {"retryAfter": "2.5"}
    assert retry == {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "2.500s"}


def test_a_subscriber_that_was_cut_off_learns_where_to_go_on() -> None:
    fault = fault_of(SlowSubscriber("slow", last_seq=7))
    assert fault is not None
    assert fault.metadata == {"lastEventId": "7"}


def test_a_fault_is_itself() -> None:
    fault = invalid("id", "is required")
    assert fault_of(fault) is fault
    assert isinstance(fault, Fault)


KINDS = [
    errors.TASK_NOT_FOUND,
    errors.TASK_NOT_CANCELABLE,
    errors.PUSH_NOT_SUPPORTED,
    errors.UNSUPPORTED_OPERATION,
    errors.CONTENT_TYPE_NOT_SUPPORTED,
    errors.VERSION_NOT_SUPPORTED,
    errors.INVALID_PARAMS,
    errors.INVALID_REQUEST,
    errors.METHOD_NOT_FOUND,
    errors.INTERNAL,
]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.reason)
@pytest.mark.requirement("a2a.errors.mapped")
def test_codes_reasons_and_statuses_are_the_sdks(kind: Kind) -> None:
    its = {code: of for of, code in sdk.JSON_RPC_ERROR_CODE_MAP.items()}[kind.code]
    mapping = sdk.A2A_ERROR_MAPPING[its]
    assert (kind.reason, kind.grpc, kind.http) == (mapping.reason, mapping.grpc_status, mapping.http_code)


@pytest.mark.parametrize(
    ("name", "code", "grpc", "http"),
    [
        ("TASK_NOT_FOUND", -32001, "NOT_FOUND", 404),
        ("TASK_NOT_CANCELABLE", -32002, "FAILED_PRECONDITION", 400),
        ("PUSH_NOTIFICATION_NOT_SUPPORTED", -32003, "FAILED_PRECONDITION", 400),
        ("UNSUPPORTED_OPERATION", -32004, "FAILED_PRECONDITION", 400),
        ("CONTENT_TYPE_NOT_SUPPORTED", -32005, "INVALID_ARGUMENT", 400),
        ("EXTENSION_SUPPORT_REQUIRED", -32008, "FAILED_PRECONDITION", 400),
        ("VERSION_NOT_SUPPORTED", -32009, "FAILED_PRECONDITION", 400),
    ],
)
@pytest.mark.requirement("a2a.equivalence.errors", "a2a.errors.mapped")
def test_errors_are_mapped_as_section_5_4_says(name: str, code: int, grpc: str, http: int) -> None:
    kinds = {kind.reason: kind for kind in vars(errors).values() if isinstance(kind, Kind)}
    assert (kinds[name].code, kinds[name].grpc, kinds[name].http) == (code, grpc, http)
