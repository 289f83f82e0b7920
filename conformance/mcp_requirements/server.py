"""Server features: discovery, tools, resources, prompts, completion, logging, caching."""

from __future__ import annotations

from typing import Final

from conformance.mcp_requirements.where import (
    BAD_INPUT,
    CALLS,
    COMPLETION,
    LOGS,
    OTHERS_RUNS,
    PARAMS,
    PROJECT,
    PROMPTS,
    PROTOCOL,
    R_BASE,
    R_SERVER,
    RESOURCES,
    TASK,
)
from conformance.requirement import Requirement

__all__ = ["SERVER"]

_PROMPTS: Final = "server/prompts"
_RESOURCES: Final = "server/resources"
_TOOLS: Final = "server/tools"
_CACHING: Final = "server/utilities/caching"
_COMPLETION: Final = "server/utilities/completion"
_LOGGING: Final = "server/utilities/logging"
_SECURITY: Final = "Security Considerations"
_DECLARED: Final = f"{R_SERVER}what_is_served_is_declared_and_what_is_declared_is_served"
_SAME: Final = f"{R_BASE}lists_are_the_same_on_every_connection_and_after_other_requests"
_READ: Final = f"{CALLS}artifacts_come_with_the_result_and_are_read_by_their_uri"
_NOTHING_THERE: Final = f"{R_SERVER}a_uri_that_names_nothing_is_invalid_and_never_an_empty_result"


_PARAMS_DECLARED: Final = f"{PARAMS}a_wrong_declaration_is_refused_where_the_tool_is_made"
_PARAMS_REFUSED: Final = f"{PARAMS}headers_that_do_not_are_refused"
_ADDS_NONE: Final = f"{LOGS}a_log_message_is_what_a_function_logged_and_the_server_adds_none"
_OWN_LOGS: Final = (
    "What a function logs is sent as it is, and its author answers for it; the server adds none of its own."
)


def _param(id: str, says: str, test: str = _PARAMS_DECLARED) -> Requirement:
    return Requirement(id=f"tools.x-mcp-header-{id}", page=_TOOLS, section="x-mcp-header", says=says, tests=(test,))


def _logging(id: str, section: str, says: str, *tests: str, unmet: str = "") -> Requirement:
    return Requirement(id=f"logging.{id}", page=_LOGGING, section=section, says=says, tests=tests, unmet=unmet)


SERVER: Final = (
    Requirement(
        id="discover.served",
        page="server/discover",
        section="Discovery",
        says="Implement server/discover.",
        tests=(f"{PROTOCOL}discover_tells_all_versions_and_what_is_served",),
    ),
    # -- tools --------------------------------------------------------------------------------------------------------
    Requirement(
        id="tools.declared",
        page=_TOOLS,
        section="Capabilities",
        says="A server with tools declares the capability.",
        tests=(_DECLARED,),
    ),
    Requirement(
        id="tools.listed",
        page=_TOOLS,
        section="Capabilities",
        says="tools/list answers with the tools there are.",
        tests=(f"{PROTOCOL}tools_are_listed_in_one_order_page_by_page", _DECLARED),
    ),
    Requirement(
        id="tools.list-stable",
        page=_TOOLS,
        section="Capabilities",
        says="The list depends on no connection and on no other request of it.",
        tests=(_SAME,),
    ),
    Requirement(
        id="tools.input-schema",
        page=_TOOLS,
        section="Tool",
        says="inputSchema is a JSON Schema object.",
        tests=(f"{R_BASE}schemas_of_tools_are_valid_json_schema_2020_12_objects",),
    ),
    _param("not-empty", "The annotation is not empty."),
    _param("token", "It is a token, as names of HTTP fields are."),
    _param("no-controls", "It has no control characters."),
    _param("unique", "It is there once, whatever its case."),
    _param("primitive", "It is on an integer, a string or a boolean."),
    _param("safe-integers", "Integers are within 2^53 - 1 of zero.", _PARAMS_REFUSED),
    _param("reachable", "It is reached by properties alone."),
    Requirement(
        id="tools.output-conforms",
        page=_TOOLS,
        section="Output Schema",
        says="Structured results fit the schema that was told.",
        tests=(
            f"{R_SERVER}structured_content_fits_the_schema_that_the_list_tells",
            f"{PROJECT}structured_content_is_an_object_that_fits_the_schema_told_for_it",
            f"{PROJECT}the_schema_told_for_an_output_also_admits_the_handle_of_a_run_that_has_not_ended",
        ),
    ),
    Requirement(
        id="tools.validate-inputs",
        page=_TOOLS,
        section=_SECURITY,
        says="Inputs are validated.",
        tests=(f"{CALLS}wrong_arguments_are_a_tool_error_that_names_the_field_and_start_no_run",),
    ),
    Requirement(
        id="tools.access",
        page=_TOOLS,
        section=_SECURITY,
        says="Access is controlled.",
        tests=(
            f"{TASK}a_task_needs_the_capability_and_an_id_that_is_the_callers",
            f"{OTHERS_RUNS}another_tenants_run_is_told_of_just_as_one_that_is_not_there",
        ),
    ),
    Requirement(
        id="tools.rate-limit",
        page=_TOOLS,
        section=_SECURITY,
        says="Calls are limited in their rate.",
        tests=(f"{BAD_INPUT}a_full_queue_takes_no_run_and_tells_when_to_try_again",),
        unmet="The queue bounds all runs together; there is no rate for a single caller.",
    ),
    Requirement(
        id="tools.sanitize-outputs",
        page=_TOOLS,
        section=_SECURITY,
        says="Outputs are made safe.",
        tests=(
            f"{CALLS}a_run_that_fails_or_refuses_is_a_tool_error_without_a_trace",
            f"{PROTOCOL}a_fault_is_told_as_one_and_its_trace_is_for_the_log_alone",
        ),
    ),
    # -- resources ----------------------------------------------------------------------------------------------------
    Requirement(
        id="resources.declared",
        page=_RESOURCES,
        section="Capabilities",
        says="A server with resources declares the capability.",
        tests=(_DECLARED,),
    ),
    Requirement(
        id="resources.listed",
        page=_RESOURCES,
        section="Capabilities",
        says="resources/list answers with the resources there are.",
        tests=(_READ, _DECLARED, f"{RESOURCES}the_list_has_what_is_offered_then_agents_then_the_newest_runs"),
    ),
    Requirement(
        id="resources.list-stable",
        page=_RESOURCES,
        section="Capabilities",
        says="The list depends on no connection and on no other request of it.",
        tests=(_SAME,),
    ),
    Requirement(
        id="resources.uri-rfc3986",
        page=_RESOURCES,
        section="Custom URI Schemes",
        says="URIs of a scheme of one's own are URIs.",
        tests=(f"{R_SERVER}the_uri_of_a_resource_is_a_uri_and_its_bytes_come_as_base64",),
    ),
    Requirement(
        id="resources.not-found",
        page=_RESOURCES,
        section="Error Handling",
        says="A resource that does not exist: -32602.",
        tests=(_NOTHING_THERE, _READ),
    ),
    Requirement(
        id="resources.no-empty-contents",
        page=_RESOURCES,
        section="Error Handling",
        says="Never empty contents for a resource that does not exist.",
        tests=(_NOTHING_THERE,),
    ),
    Requirement(
        id="resources.validate-uris",
        page=_RESOURCES,
        section=_SECURITY,
        says="URIs are validated.",
        tests=(
            _NOTHING_THERE,
            f"{PROTOCOL}a_request_that_makes_no_sense_gets_the_code_for_it_and_a_message_that_helps",
        ),
    ),
    Requirement(
        id="resources.binary",
        page=_RESOURCES,
        section=_SECURITY,
        says="Bytes are encoded as they should be.",
        tests=(f"{R_SERVER}the_uri_of_a_resource_is_a_uri_and_its_bytes_come_as_base64",),
    ),
    Requirement(
        id="resources.file-paths",
        page=_RESOURCES,
        section=_SECURITY,
        says="Paths of file:// resources lead nowhere else.",
        tests=(_NOTHING_THERE,),
        outside="The server has no file:// resources of its own.",
    ),
    # -- prompts ------------------------------------------------------------------------------------------------------
    Requirement(
        id="prompts.declared",
        page=_PROMPTS,
        section="Capabilities",
        says="A server with prompts declares the capability.",
        tests=(f"{PROMPTS}a_prompt_is_told_of_as_its_version_can_take_it",),
    ),
    Requirement(
        id="prompts.listed",
        page=_PROMPTS,
        section="Capabilities",
        says="prompts/list answers with the prompts there are.",
        tests=(f"{PROMPTS}prompts_are_listed_in_one_order_page_by_page",),
    ),
    Requirement(
        id="prompts.list-stable",
        page=_PROMPTS,
        section="Capabilities",
        says="The list depends on no connection.",
        tests=(f"{PROMPTS}the_list_is_the_same_for_every_peer_and_after_other_requests",),
    ),
    Requirement(
        id="prompts.image",
        page=_PROMPTS,
        section="Image Content",
        says="Images are base64 with a valid MIME type.",
        tests=(f"{PROMPTS}content_that_a_version_lacks_is_told_in_text",),
    ),
    Requirement(
        id="prompts.audio",
        page=_PROMPTS,
        section="Audio Content",
        says="Audio is base64 with a valid MIME type.",
        tests=(f"{PROMPTS}content_that_a_version_lacks_is_told_in_text",),
    ),
    Requirement(
        id="prompts.embedded",
        page=_PROMPTS,
        section="Embedded Resources",
        says="A resource has its URI, MIME type and text or bytes.",
        tests=(f"{PROMPTS}content_that_a_version_lacks_is_told_in_text",),
    ),
    Requirement(
        id="prompts.security",
        page=_PROMPTS,
        section="Security",
        says="Inputs and outputs of prompts are validated.",
        tests=(f"{PROMPTS}an_argument_that_does_not_fit_is_named",),
    ),
    # -- completion ---------------------------------------------------------------------------------------------------
    Requirement(
        id="completion.declared",
        page=_COMPLETION,
        section="Capabilities",
        says="A server with completion declares the capability.",
        tests=(f"{COMPLETION}a_fixed_choice_is_completed_by_what_it_begins_with",),
    ),
    Requirement(
        id="completion.validate",
        page=_COMPLETION,
        section="Security",
        says="Inputs of completion are validated.",
        tests=(f"{COMPLETION}what_cannot_be_completed_is_an_invalid_parameter",),
    ),
    Requirement(
        id="completion.rate-limit",
        page=_COMPLETION,
        section="Security",
        says="Completion is limited in its rate.",
        tests=(f"{COMPLETION}a_caller_that_asks_too_fast_is_told_when_to_go_on_and_others_are_served",),
    ),
    Requirement(
        id="completion.access",
        page=_COMPLETION,
        section="Security",
        says="Suggestions that are sensitive are for those who may.",
        tests=(
            f"{COMPLETION}at_most_a_hundred_values_come_and_it_is_said_that_there_are_more",
            f"{COMPLETION}ids_are_those_of_the_callers_tenant",
        ),
    ),
    Requirement(
        id="completion.disclosure",
        page=_COMPLETION,
        section="Security",
        says="Completion gives nothing away.",
        tests=(f"{COMPLETION}ids_are_those_of_the_callers_tenant",),
    ),
    # -- logging ------------------------------------------------------------------------------------------------------
    _logging(
        "declared",
        "Capabilities",
        "A server that sends log messages declares the capability.",
        f"{LOGS}log_messages_are_declared_in_each_era",
    ),
    _logging(
        "asked-for",
        "Per-request log level",
        "No log messages for a request without a level.",
        f"{LOGS}a_modern_request_that_says_no_level_hears_nothing",
        f"{LOGS}the_level_of_one_request_is_not_that_of_another",
    ),
    _logging(
        "own-stream",
        "Per-request log level",
        "Log messages go with their own request alone.",
        f"{LOGS}log_messages_go_with_their_own_request_alone",
    ),
    _logging("no-secrets", "Security", "Log messages hold no credentials or secrets.", _ADDS_NONE, unmet=_OWN_LOGS),
    _logging(
        "no-persons",
        "Security",
        "Log messages hold nothing that identifies a person.",
        _ADDS_NONE,
        unmet=_OWN_LOGS,
    ),
    _logging(
        "no-internals",
        "Security",
        "Log messages hold no internals that would help an attack.",
        _ADDS_NONE,
        unmet=_OWN_LOGS,
    ),
    # -- caching ------------------------------------------------------------------------------------------------------
    Requirement(
        id="caching.hints",
        page=_CACHING,
        section="Cacheable Results",
        says="discover, lists, templates and read say how long they keep, and for whom.",
        tests=(f"{R_SERVER}results_that_may_be_kept_say_for_how_long_and_for_whom",),
    ),
    Requirement(
        id="caching.ttl",
        page=_CACHING,
        section="Time-to-Live (TTL) Field",
        says="ttlMs is not negative.",
        tests=(f"{R_SERVER}results_that_may_be_kept_say_for_how_long_and_for_whom",),
    ),
    Requirement(
        id="caching.scope-of-pages",
        page=_CACHING,
        section="Interaction with Pagination",
        says="All pages of a list have one cacheScope.",
        tests=(f"{R_SERVER}all_pages_of_a_list_have_one_cache_scope",),
    ),
    Requirement(
        id="caching.public-is-shared",
        page=_CACHING,
        section=_SECURITY,
        says="What is public may be shown to any caller.",
        tests=(f"{R_SERVER}results_that_may_be_kept_say_for_how_long_and_for_whom",),
    ),
    Requirement(
        id="caching.access",
        page=_CACHING,
        section=_SECURITY,
        says="Access is controlled by more than cacheScope.",
        tests=(_READ, f"{OTHERS_RUNS}another_tenants_run_is_told_of_just_as_one_that_is_not_there"),
    ),
)
