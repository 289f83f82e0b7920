"""Sections 5 and 9 to 12: what the bindings share, and each of the three."""

from __future__ import annotations

from typing import Final

from conformance.a2a_requirements.where import (
    BINDINGS as SHARED,
)
from conformance.a2a_requirements.where import (
    CALLS,
    CARDS,
    ERRORS,
    OTHERS,
    OURS,
    PARAMS,
    PROJECT,
    must,
)

__all__ = ["BINDINGS"]

_SAME: Final = f"{SHARED}a_conversation_is_told_the_same_over_each_binding"
_ACROSS: Final = f"{SHARED}a_task_begun_over_one_binding_goes_on_over_every_other"
_ONE: Final = f"{SHARED}a_message_sent_50_times_at_once_is_one_task"
_MAPPED: Final = f"{ERRORS}errors_are_mapped_as_section_5_4_says"
_VERSION: Final = f"{SHARED}a_version_that_is_not_served_is_refused"
_REQUIRED: Final = f"{OURS}an_extension_that_is_required_is_asked_for_over_each_binding"
_NAMES: Final = f"{OURS}json_has_camel_case_and_the_names_of_enums"
_KEYS: Final = f"{OURS}who_has_no_key_or_a_wrong_one_may_call_nothing"
_TIMES: Final = f"{PROJECT}timestamps_are_rfc_3339_in_utc"

BINDINGS: Final = (
    must("equivalence.functions", "5.1", "Every binding has the same operations.", _SAME, _ACROSS),
    must("equivalence.behaviour", "5.1", "They do the same.", _SAME, _ONE),
    must("equivalence.errors", "5.1", "Their errors are the same errors.", _SAME, _MAPPED),
    must("equivalence.auth", "5.1", "They let in the same callers.", _KEYS),
    must(
        "errors.mapped",
        "5.4",
        "Each error has the codes of the table.",
        _MAPPED,
        f"{ERRORS}codes_reasons_and_statuses_are_the_sdks",
    ),
    must("errors.custom-bindings", "5.4", "Other bindings map errors too.", outside=OTHERS),
    must("json.camel-case", "5.5", "Names of fields are camelCase.", _NAMES),
    must("json.enums", "5.5", "Enums are their names.", _NAMES, f"{PARAMS}states_are_numbered_as_in_the_proto_file"),
    must("json.timestamps", "5.6.1", "Timestamps are ISO 8601 in UTC, with Z.", _TIMES, _NAMES),
    must("json.timestamps-read", "5.6.1", "And are read as such.", f"{PARAMS}timestamps_are_read_to_the_microsecond"),
    must(
        "fields.required",
        "5.7",
        "Fields that are required are there, and their lists have an element.",
        f"{CARDS}a_card_has_every_required_field_of_1_0",
        f"{PARAMS}a_wrong_message_is_refused_by_its_field",
    ),
    must("binding.uri", "5.8", "A breaking change of a binding has a new URI.", outside=OTHERS),
    must("jsonrpc.headers", "9.2", "JSON-RPC has service parameters in HTTP headers.", _VERSION, _REQUIRED),
    must(
        "jsonrpc.format",
        "9.3",
        "Requests are JSON-RPC 2.0.",
        f"{CALLS}what_is_no_call_is_refused",
    ),
    must("jsonrpc.typed-data", "9.5", "Each object of an error's data has an @type.", _SAME),
    must("grpc.metadata", "10.2", "gRPC has service parameters in metadata, and they are heeded.", _VERSION, _REQUIRED),
    must("grpc.error-info", "10.6", "An A2A error has google.rpc.ErrorInfo in its details.", _SAME, _VERSION),
    must("rest.headers", "11.2", "HTTP+JSON has service parameters in HTTP headers.", _VERSION, _REQUIRED),
    must("rest.query", "11.5", "GET and DELETE have their parameters in path and query, in camelCase.", _SAME),
    must("rest.query-encoding", "11.5", "Query parameters are URL-encoded.", _SAME),
    must("rest.typed-details", "11.6", "Each object of an error's details has an @type.", _SAME),
    must("rest.error-info", "11.6", "An A2A error has google.rpc.ErrorInfo in its details.", _SAME, _VERSION),
    must("custom-bindings", "12", "What bindings of one's own must do.", outside=OTHERS),
)
