"""Message patterns: cancellation, multi round-trip requests, progress, subscriptions."""

from __future__ import annotations

from typing import Final

from conformance.mcp_requirements.where import (
    CALL_QUESTIONS,
    CALLS,
    HTTP,
    LISTEN,
    LISTEN_TOLD,
    R_PATTERNS,
    R_TRANSPORTS,
    STDIO,
    TASK,
)
from conformance.requirement import Requirement

__all__ = ["PATTERNS"]

_CANCELLATION: Final = "basic/patterns/cancellation"
_MRTR: Final = "basic/patterns/mrtr"
_SERVER: Final = "Server Requirements (Basic Workflow)"
_PROGRESS: Final = "basic/patterns/progress"
_SUBSCRIPTIONS: Final = "basic/patterns/subscriptions"
_CLOSED: Final = f"{HTTP}closing_the_stream_ends_the_request_and_leaves_the_run_which_a_second_call_meets"
_REFUSED: Final = f"{CALL_QUESTIONS}a_state_that_is_not_the_callers_for_this_very_call_is_refused"
_ACKNOWLEDGED: Final = f"{LISTEN}the_first_message_tells_what_is_honoured_and_everything_names_the_subscription"
_NO_CANCELLING: Final = f"{R_TRANSPORTS}a_server_takes_no_request_back_and_ends_a_subscription_by_its_result"

PATTERNS: Final = (
    Requirement(
        id="patterns.no-server-requests",
        page="basic/patterns/index",
        section="Message Patterns",
        says="A server begins no requests.",
        tests=(
            f"{R_PATTERNS}a_modern_client_is_sent_no_request",
            f"{R_TRANSPORTS}a_modern_client_on_stdio_is_written_no_request",
        ),
    ),
    Requirement(
        id="cancellation.listen-torn-down",
        page=_CANCELLATION,
        section="Cancellation Flow",
        says="Tearing down a subscription is told with notifications/cancelled for its listen request.",
        unmet="The schema says otherwise, and so do the SDKs: the listen request's result (SubscriptionsListenResult) "
        "tells of it, and a request that was cancelled is owed none.",
    ),
    Requirement(
        id="cancellation.nothing-else",
        page=_CANCELLATION,
        section="Cancellation Flow",
        says="A server sends notifications/cancelled for nothing else.",
        tests=(_NO_CANCELLING,),
    ),
    Requirement(
        id="cancellation.disconnect",
        page=_CANCELLATION,
        section="Transport-Specific Cancellation",
        says="A client that disconnects has cancelled its request.",
        tests=(_CLOSED,),
    ),
    Requirement(
        id="cancellation.only-open-requests",
        page=_CANCELLATION,
        section="Behavior Requirements",
        says="A cancellation names a request of the client's that is believed to be open.",
        binds="both",
        tests=(_NO_CANCELLING,),
    ),
    Requirement(
        id="cancellation.server-names-listen",
        page=_CANCELLATION,
        section="Behavior Requirements",
        says="A cancellation by the server names a subscriptions/listen request.",
        tests=(_NO_CANCELLING,),
    ),
    Requirement(
        id="cancellation.races",
        page=_CANCELLATION,
        section="Timing Considerations",
        says="A cancellation that comes too late does no harm.",
        binds="both",
        tests=(
            f"{CALLS}cancelling_what_is_not_at_work_is_ignored",
            f"{TASK}cancelling_the_request_does_not_touch_its_task",
        ),
    ),
    Requirement(
        id="mrtr.instead-of-requests",
        page=_MRTR,
        section="Introduction",
        says="What the server asks of the client goes by multi round-trip requests.",
        tests=(f"{CALL_QUESTIONS}a_modern_client_is_asked_and_its_retry_goes_on_with_the_same_run",),
    ),
    Requirement(
        id="mrtr.supported-requests",
        page=_MRTR,
        section="Supported Requests",
        says="Only tools/call, prompts/get and resources/read are answered with input_required.",
        tests=(f"{R_PATTERNS}only_a_call_asks_for_input",),
    ),
    Requirement(
        id="mrtr.keys-unique",
        page=_MRTR,
        section=_SERVER,
        says="Keys of inputRequests are unique within the request.",
        tests=(f"{R_PATTERNS}questions_that_lie_open_together_have_keys_of_their_own",),
    ),
    Requirement(
        id="mrtr.request-kinds",
        page=_MRTR,
        section=_SERVER,
        says="Input requests are elicitation, sampling or roots requests.",
        tests=(f"{CALL_QUESTIONS}a_modern_client_is_asked_and_its_retry_goes_on_with_the_same_run",),
    ),
    Requirement(
        id="mrtr.state-untrusted",
        page=_MRTR,
        section=_SERVER,
        says="requestState is what an attacker may have written.",
        tests=(_REFUSED,),
    ),
    Requirement(
        id="mrtr.state-integrity",
        page=_MRTR,
        section=_SERVER,
        says="State that decides anything is protected against change.",
        tests=(_REFUSED,),
    ),
    Requirement(
        id="mrtr.state-rejected",
        page=_MRTR,
        section=_SERVER,
        says="State that fails verification is refused.",
        tests=(_REFUSED,),
    ),
    Requirement(
        id="mrtr.single-use",
        page=_MRTR,
        section=_SERVER,
        says="Where state may count once only, the server sees to it.",
        tests=(f"{CALL_QUESTIONS}a_retry_that_comes_twice_changes_nothing_and_gets_the_same_result",),
    ),
    Requirement(
        id="mrtr.something-asked",
        page=_MRTR,
        section=_SERVER,
        says="An InputRequiredResult has inputRequests or requestState.",
        tests=(f"{CALL_QUESTIONS}a_modern_client_is_asked_and_its_retry_goes_on_with_the_same_run",),
    ),
    Requirement(
        id="mrtr.declared-only",
        page=_MRTR,
        section=_SERVER,
        says="Nothing is asked for that the client has not declared.",
        tests=(
            f"{R_PATTERNS}a_client_is_asked_in_no_mode_that_it_has_not_declared",
            f"{TASK}a_client_without_elicitation_sees_that_input_is_required_and_no_request_for_it",
        ),
    ),
    Requirement(
        id="mrtr.no-return-assumed",
        page=_MRTR,
        section=_SERVER,
        says="That the client comes back is not assumed.",
        tests=(f"{R_PATTERNS}an_unanswered_question_holds_nothing_up",),
    ),
    Requirement(
        id="mrtr.state-validated",
        page=_MRTR,
        section="Security Considerations",
        says="requestState is validated as the requirements say.",
        tests=(_REFUSED,),
    ),
    Requirement(
        id="progress.token",
        page=_PROGRESS,
        section="Progress Flow",
        says="A progress token is a string or an integer, and comes back as it was.",
        binds="both",
        tests=(
            f"{CALLS}progress_goes_out_under_the_clients_token_and_rises",
            f"{R_PATTERNS}progress_that_does_not_rise_is_not_told",
        ),
    ),
    Requirement(
        id="progress.rises",
        page=_PROGRESS,
        section="Progress Flow",
        says="progress rises with each notification.",
        binds="both",
        tests=(
            f"{CALLS}progress_goes_out_under_the_clients_token_and_rises",
            f"{R_PATTERNS}progress_that_does_not_rise_is_not_told",
        ),
    ),
    Requirement(
        id="progress.active-token",
        page=_PROGRESS,
        section="Behavior Requirements",
        says="Progress is told under a token of a request that is at work.",
        binds="both",
        tests=(
            f"{CALLS}without_a_token_no_progress_is_sent",
            f"{R_PATTERNS}each_call_is_told_its_own_progress_under_its_own_token",
        ),
    ),
    Requirement(
        id="progress.stops",
        page=_PROGRESS,
        section="Implementation Notes",
        says="No progress after completion.",
        binds="both",
        tests=(f"{R_PATTERNS}nothing_is_told_under_a_token_once_its_request_is_answered",),
    ),
    Requirement(
        id="subscriptions.requested-only",
        page=_SUBSCRIPTIONS,
        section="Opening a Stream",
        says="No kinds of notifications that the client has not asked for.",
        tests=(f"{LISTEN}only_what_was_asked_for_is_told",),
    ),
    Requirement(
        id="subscriptions.acknowledged",
        page=_SUBSCRIPTIONS,
        section="Acknowledgment",
        says="The first message of a subscription acknowledges it, with its id.",
        tests=(_ACKNOWLEDGED,),
    ),
    Requirement(
        id="subscriptions.nothing-before",
        page=_SUBSCRIPTIONS,
        section="Acknowledgment",
        says="Nothing of a subscription comes before its acknowledgment.",
        tests=(_ACKNOWLEDGED,),
    ),
    Requirement(
        id="subscriptions.id",
        page="basic/index",
        section="_meta",
        says="What a listen stream delivers has the subscription's id in _meta.",
        tests=(_ACKNOWLEDGED, f"{LISTEN_TOLD}a_task_is_told_in_full_whenever_it_stands_otherwise"),
    ),
    Requirement(
        id="stdio.silent-after-cancel",
        page="basic/transports/stdio",
        section="Cancellation",
        says="No message for a request after it was cancelled on stdio.",
        tests=(
            f"{STDIO}cancelling_ends_the_run_and_the_request_stays_unanswered",
            f"{CALLS}cancelling_a_request_by_its_id_cancels_its_run_and_leaves_it_unanswered",
        ),
    ),
)
