"""Transports: messages, stdio, Streamable HTTP."""

from __future__ import annotations

from typing import Final

from conformance.mcp_requirements.where import (
    HOSTS,
    HTTP,
    PARAMS,
    PROTOCOL,
    R_BASE,
    R_PATTERNS,
    R_TRANSPORTS,
    STDIO,
)
from conformance.requirement import Requirement

__all__ = ["TRANSPORTS"]

_MESSAGES: Final = "basic/transports/index"
_STDIO: Final = "basic/transports/stdio"
_HTTP: Final = "basic/transports/streamable-http"
_PARAMS_FIT: Final = f"{PARAMS}headers_that_mirror_the_arguments_are_accepted"
_PARAMS_REFUSED: Final = f"{PARAMS}headers_that_do_not_are_refused"
_CUSTOM: Final = "Server Behavior for Custom Headers"
_VALIDATION: Final = "Server Validation"
_MIRRORED: Final = f"{HTTP}headers_that_do_not_mirror_the_body_are_refused"
_STATUS: Final = f"{HTTP}a_request_of_no_era_is_refused_with_the_status_and_code_for_it"
_DOOR: Final = f"{HTTP}only_known_hosts_origins_and_json_are_let_in"
_NOTED: Final = f"{HTTP}a_modern_notification_is_accepted_and_a_reply_is_not"
_BASE64: Final = f"{HTTP}a_name_is_compared_after_its_base64_is_undone"
_CLOSED: Final = f"{HTTP}closing_the_stream_ends_the_request_and_leaves_the_run_which_a_second_call_meets"
_NOISE: Final = f"{STDIO}noise_is_answered_as_noise_and_what_is_printed_never_mixes_with_the_answers"

TRANSPORTS: Final = (
    Requirement(
        id="transports.utf-8",
        page=_MESSAGES,
        section="Messages",
        says="Messages are UTF-8.",
        binds="both",
        tests=(
            f"{R_TRANSPORTS}text_over_http_is_utf_8",
            f"{R_TRANSPORTS}a_message_on_stdio_is_one_line_of_utf_8_whatever_its_text",
            f"{PROTOCOL}a_message_that_is_none_is_refused_with_its_id_where_it_is_legible",
        ),
    ),
    Requirement(
        id="transports.directions",
        page=_MESSAGES,
        section="Messages",
        says="Requests and notifications reach the server, responses and notifications the client; nothing else goes.",
        binds="both",
        tests=(
            f"{HTTP}a_call_with_a_progress_token_is_answered_on_a_stream_that_no_proxy_buffers",
            _NOTED,
            f"{STDIO}both_eras_are_spoken_on_one_pipe_in_any_order",
        ),
    ),
    Requirement(
        id="transports.custom",
        page=_MESSAGES,
        section="Custom Transports",
        says="A custom transport keeps messages, patterns and metadata as they are.",
        binds="both",
        outside="There is none.",
    ),
    Requirement(
        id="stdio.one-line",
        page=_STDIO,
        section="stdio",
        says="A message is a line and has no line break within.",
        binds="both",
        tests=(f"{R_TRANSPORTS}a_message_on_stdio_is_one_line_of_utf_8_whatever_its_text",),
    ),
    Requirement(
        id="stdio.stdout-messages-only",
        page=_STDIO,
        section="stdio",
        says="Nothing but messages on stdout.",
        tests=(_NOISE,),
    ),
    Requirement(
        id="stdio.no-requests",
        page=_STDIO,
        section="Receiving Messages",
        says="No requests on stdout.",
        tests=(f"{R_TRANSPORTS}a_modern_client_on_stdio_is_written_no_request",),
    ),
    Requirement(
        id="http.endpoint",
        page=_HTTP,
        section="Streamable HTTP",
        says="One path, which takes POST.",
        tests=(f"{HTTP}a_quick_call_is_answered_with_one_json_object",),
    ),
    Requirement(
        id="http.origin",
        page=_HTTP,
        section="Security & Endpoint",
        says="Origin is validated on every connection.",
        tests=(_DOOR, f"{HOSTS}a_web_page_of_elsewhere_is_refused"),
    ),
    Requirement(
        id="http.origin-403",
        page=_HTTP,
        section="Security & Endpoint",
        says="An Origin that is not let in gets 403.",
        tests=(_DOOR,),
    ),
    Requirement(
        id="http.notification-202",
        page=_HTTP,
        section="Sending Messages",
        says="A notification that is accepted gets 202 without a body.",
        tests=(_NOTED,),
    ),
    Requirement(
        id="http.notification-refused",
        page=_HTTP,
        section="Sending Messages",
        says="What cannot be accepted gets an HTTP error.",
        tests=(f"{R_TRANSPORTS}what_cannot_be_accepted_is_an_http_error", _NOTED),
    ),
    Requirement(
        id="http.content-type",
        page=_HTTP,
        section="Sending Messages",
        says="A request is answered with one JSON object or with an event stream.",
        tests=(
            f"{HTTP}a_quick_call_is_answered_with_one_json_object",
            f"{HTTP}a_call_with_a_progress_token_is_answered_on_a_stream_that_no_proxy_buffers",
        ),
    ),
    Requirement(
        id="http.stream-own-notifications",
        page=_HTTP,
        section="Receiving Messages",
        says="Notifications on a stream belong to its request.",
        tests=(f"{R_TRANSPORTS}a_stream_carries_what_belongs_to_its_request_alone",),
    ),
    Requirement(
        id="http.stream-no-requests",
        page=_HTTP,
        section="Receiving Messages",
        says="No requests on a stream.",
        tests=(
            f"{R_PATTERNS}a_modern_client_is_sent_no_request",
            f"{R_TRANSPORTS}a_stream_carries_what_belongs_to_its_request_alone",
        ),
    ),
    Requirement(
        id="http.close-cancels",
        page=_HTTP,
        section="Cancellation",
        says="Closing the stream cancels the request.",
        tests=(_CLOSED,),
    ),
    Requirement(
        id="http.silent-after-cancel",
        page=_HTTP,
        section="Cancellation",
        says="No message for a cancelled request.",
        tests=(_CLOSED,),
    ),
    Requirement(
        id="http.version-header",
        page=_HTTP,
        section="Protocol Version Header",
        says="MCP-Protocol-Version other than the body's version: 400, HeaderMismatch.",
        tests=(_MIRRORED,),
    ),
    Requirement(
        id="http.version-unsupported",
        page=_HTTP,
        section="Protocol Version Header",
        says="A version that is not served: 400 and those that are.",
        tests=(f"{HTTP}a_version_that_is_not_spoken_is_told_with_those_that_are", _STATUS),
    ),
    Requirement(
        id="http.method-404",
        page=_HTTP,
        section="Protocol Version Header",
        says="A method that is not served: 404 and -32601.",
        tests=(_STATUS,),
    ),
    Requirement(
        id="http.version-missing",
        page=_HTTP,
        section="Protocol Version Header",
        says="Without the header a server that speaks no version older than 2025-06-18 refuses.",
        outside="Older versions are spoken, too; a modern body without the header is refused all the same.",
    ),
    Requirement(
        id="http.decode-base64",
        page=_HTTP,
        section="Value Encoding",
        says="Base64 in Mcp-Name is undone before it is compared.",
        tests=(_BASE64,),
    ),
    Requirement(
        id="http.decode-base64-params",
        page=_HTTP,
        section="Value Encoding",
        says="Base64 in Mcp-Param-* is undone before it is compared.",
        tests=(_PARAMS_FIT,),
    ),
    Requirement(
        id="http.param-invalid",
        page=_HTTP,
        section=_CUSTOM,
        says="A known Mcp-Param-* header with characters that may not be there is refused.",
        tests=(_PARAMS_REFUSED,),
    ),
    Requirement(
        id="http.param-match",
        page=_HTTP,
        section=_CUSTOM,
        says="A known Mcp-Param-* header agrees with the body.",
        tests=(_PARAMS_FIT,),
    ),
    Requirement(
        id="http.param-mismatch",
        page=_HTTP,
        section=_CUSTOM,
        says="Where it does not: 400 and -32020.",
        tests=(_PARAMS_REFUSED,),
    ),
    Requirement(
        id="http.param-null",
        page=_HTTP,
        section=_CUSTOM,
        says="No header is expected for a parameter that is null.",
        tests=(_PARAMS_FIT,),
    ),
    Requirement(
        id="http.param-absent",
        page=_HTTP,
        section=_CUSTOM,
        says="No header is expected for a parameter that is not there.",
        tests=(_PARAMS_FIT,),
    ),
    Requirement(
        id="http.param-omitted",
        page=_HTTP,
        section=_CUSTOM,
        says="A value in the body without its header is refused.",
        tests=(_PARAMS_REFUSED,),
    ),
    Requirement(
        id="http.param-intermediaries",
        page=_HTTP,
        section=_CUSTOM,
        says="An intermediary passes on headers that it does not know.",
        outside="Dragoman stands between no client and another server.",
    ),
    Requirement(
        id="http.header-names",
        page=_HTTP,
        section="Case Sensitivity",
        says="Names of headers are compared without regard to case.",
        binds="both",
        tests=(f"{R_TRANSPORTS}names_of_headers_are_compared_without_regard_to_case",),
    ),
    Requirement(
        id="http.headers-match",
        page=_HTTP,
        section=_VALIDATION,
        says="Headers that differ from the body are refused.",
        tests=(
            _MIRRORED,
            f"{HTTP}a_routing_header_that_is_there_twice_is_refused",
            f"{HTTP}the_name_of_a_task_request_is_its_task_and_some_clients_forget_it",
        ),
    ),
    Requirement(
        id="http.headers-400",
        page=_HTTP,
        section=_VALIDATION,
        says="That refusal is status 400 with error -32020.",
        tests=(_MIRRORED,),
    ),
    Requirement(
        id="http.headers-decoded",
        page=_HTTP,
        section=_VALIDATION,
        says="Encoded values are compared after decoding.",
        tests=(_BASE64, f"{PROTOCOL}white_space_around_a_mirrored_value_is_no_part_of_it"),
    ),
    Requirement(
        id="http.status-400-missing-capability",
        page="schema",
        section="MissingRequiredClientCapabilityError",
        says="A missing capability is told with status 400.",
        tests=(f"{R_BASE}a_missing_capability_is_told_with_400",),
    ),
)
