"""The tasks extension, ``io.modelcontextprotocol/tasks``."""

from __future__ import annotations

from typing import Final

from conformance.mcp_requirements.where import (
    LISTEN,
    LISTEN_TOLD,
    OTHERS_RUNS,
    PROJECT,
    R_BASE,
    R_TASKS,
    TASK,
    TASK_SUPPORT,
)
from conformance.requirement import Requirement

__all__ = ["TASKS"]

_PAGE: Final = "extensions/tasks"
_ERRORS: Final = "Task Execution Errors"
_CREATED: Final = f"{TASK}a_call_that_takes_longer_is_a_task_that_is_there_before_the_answer"
_CAPABILITY: Final = f"{TASK}a_task_needs_the_capability_and_an_id_that_is_the_callers"
_LIFE: Final = f"{TASK}a_task_lives_through_its_questions_each_under_a_key_of_its_own"
_FAILED: Final = f"{TASK}a_failed_run_is_a_completed_task_whose_result_is_an_error"
_CANCELLED: Final = f"{R_TASKS}a_cancelled_task_has_neither_result_nor_error"
_UNDECLARED: Final = f"{R_TASKS}no_task_is_made_for_a_client_that_did_not_declare_them_on_this_very_request"

_ERROR: Final = f"{TASK_SUPPORT}an_error_of_the_request_is_a_failed_task_that_holds_it"
_LISTEN_REFUSED: Final = f"{LISTEN}what_makes_no_sense_is_refused_before_anything_is_acknowledged"


def _task(id: str, section: str, says: str, *tests: str, unmet: str = "", outside: str = "") -> Requirement:
    return Requirement(
        id=f"tasks.{id}", page=_PAGE, section=section, says=says, tests=tests, unmet=unmet, outside=outside
    )


TASKS: Final = (
    _task(
        "declared-only",
        "Capability Negotiation",
        "No task for a client that did not declare the extension on this request.",
        _UNDECLARED,
        f"{R_BASE}nothing_is_inferred_from_an_earlier_request_on_the_connection",
    ),
    _task(
        "required",
        "Capability Negotiation",
        "What cannot be served without a task is refused with -32021.",
        f"{TASK_SUPPORT}a_call_that_must_be_a_task_is_refused_without_tasks_and_before_it_runs",
    ),
    _task("result-type", "Polymorphic Results", "A created task says resultType task.", _CREATED),
    _task(
        "result-type-alone",
        "Polymorphic Results",
        "No other result says so.",
        f"{R_TASKS}only_a_call_of_a_tool_becomes_a_task",
    ),
    _task("failed-is-json-rpc", "Task Status", "failed is for JSON-RPC errors alone.", _FAILED),
    _task(
        "durable",
        "Task Creation",
        "A task is answered with once tasks/get would find it.",
        _CREATED,
        f"{TASK}a_task_is_polled_after_a_restart",
    ),
    _task("consistent", "Task Creation", "Consistency is waited for.", _CREATED),
    _task(
        "get-status",
        "Task Polling",
        "tasks/get answers by the status of the task.",
        _CREATED,
        f"{PROJECT}a_run_is_a_task_of_the_status_that_the_extension_has_for_it",
        f"{PROJECT}every_status_of_a_run_has_a_status_of_a_task",
    ),
    _task("get-working", "Task Polling", "working: a task of that status.", _CREATED),
    _task("get-input-required", "Task Polling", "input_required: with inputRequests.", _LIFE),
    _task(
        "get-all-requests",
        "Task Polling",
        "inputRequests holds all that is open.",
        f"{R_TASKS}all_open_questions_of_a_task_are_shown",
    ),
    _task("get-completed", "Task Polling", "completed: with the result.", _CREATED),
    _task(
        "get-cancelled",
        "Task Polling",
        "cancelled: a task of that status.",
        _CANCELLED,
        f"{TASK}a_cancelled_task_is_told_so_and_cancelling_one_that_has_ended_is_acknowledged",
    ),
    _task("get-failed", "Task Polling", "failed: with the error.", _ERROR),
    _task("get-result-type", "Task Polling", "tasks/get says resultType complete.", _CREATED),
    _task("keys-unique", "Task Update Requests", "A key is unique over the life of a task.", _LIFE),
    _task("keys-not-reused", "Task Update Requests", "A key that was answered is not used again.", _LIFE),
    _task("keys-one-meaning", "Task Update Requests", "A key stands for one request.", _LIFE),
    _task(
        "update-acknowledged",
        "Task Update Requests",
        "tasks/update is acknowledged with an empty result.",
        _LIFE,
        f"{TASK}answering_what_was_answered_elsewhere_is_acknowledged_and_changes_nothing",
    ),
    _task("update-result-type", "Task Update Requests", "The acknowledgment says resultType complete.", _LIFE),
    _task(
        "cancel-by-request",
        "Task Cancellation",
        "notifications/cancelled does not cancel a task.",
        f"{TASK}cancelling_the_request_does_not_touch_its_task",
    ),
    _task("cancel-acknowledged", "Task Cancellation", "tasks/cancel is acknowledged with an empty result.", _CANCELLED),
    _task("cancel-result-type", "Task Cancellation", "The acknowledgment says resultType complete.", _CANCELLED),
    _task(
        "notifications-undeclared",
        "Task Status Notifications",
        "Notifications of tasks without the capability: an error that names it.",
        _LISTEN_REFUSED,
    ),
    _task(
        "no-progress",
        "Task Status Notifications",
        "No progress and no log messages of a task on a listen stream.",
        f"{R_TASKS}a_task_is_told_no_progress",
        f"{LISTEN_TOLD}a_task_tells_neither_progress_nor_logs_on_the_stream",
    ),
    _task("errors", "Protocol Errors", "Protocol errors are JSON-RPC errors.", _CAPABILITY),
    _task("unknown-id", "Protocol Errors", "tasks/get of an unknown id is -32602.", _CAPABILITY),
    _task(
        "undeclared-listen",
        "Protocol Errors",
        "Listening to tasks without the capability is -32021.",
        _LISTEN_REFUSED,
    ),
    _task("undeclared-methods", "Protocol Errors", "tasks/* without the capability is -32021.", _CAPABILITY),
    _task("error-inlined", _ERRORS, "A failed task has its error.", _ERROR),
    _task("tool-error-completed", _ERRORS, "A tool's error is completed with isError.", _FAILED),
    _task(
        "error-is-the-requests",
        _ERRORS,
        "The error is that of the request.",
        _ERROR,
    ),
    _task("result-is-the-requests", _ERRORS, "The result is that of the request.", _CREATED, _FAILED),
    _task(
        "ids-unguessable",
        "Security Considerations",
        "Ids cannot be guessed.",
        f"{R_TASKS}ids_of_tasks_share_no_run_of_bits_that_could_be_counted_up",
    ),
    _task(
        "authorized",
        "Security Considerations",
        "Each request is checked for who may.",
        _CAPABILITY,
        f"{OTHERS_RUNS}another_tenants_run_is_told_of_just_as_one_that_is_not_there",
    ),
)
