"""Sections 7, 8, 13 and 14: callers, cards and their signatures, scopes, secrets."""

from __future__ import annotations

from typing import Final

from conformance.a2a_requirements.where import (
    BINDINGS,
    CALLS,
    CARDS,
    CLIENT,
    LISTS,
    OPERATOR,
    OURS,
    PARAMS,
    QUESTIONS,
    SIGNING,
    SUBSCRIPTIONS,
    TASKS,
    must,
)

__all__ = ["SECURITY"]

_KEYS: Final = f"{OURS}who_has_no_key_or_a_wrong_one_may_call_nothing"
_TENANT: Final = f"{OURS}a_task_is_its_tenants_alone_over_each_binding"
_AUTH: Final = f"{OURS}a_task_that_needs_authorization_says_which_and_takes_messages_meanwhile"
_EXTENDED: Final = f"{OURS}the_extended_card_is_for_who_has_a_key_over_each_binding"
_CARD: Final = f"{OURS}the_card_tells_every_binding_and_how_to_come_in_and_anyone_may_read_it"
_BELIEVED: Final = f"{SIGNING}the_sdk_and_a_javascript_engine_believe_our_signature"
_CANONICAL: Final = f"{SIGNING}the_canonical_form_is_that_of_a_javascript_engine"
_NOT_OWN: Final = f"{TASKS}a_task_that_is_not_ones_own_is_not_found"
_FIELDS: Final = f"{CARDS}a_card_has_every_required_field_of_1_0"
_EMPTY: Final = f"{SIGNING}what_is_empty_is_left_out_at_every_depth"
_SAME: Final = f"{BINDINGS}a_conversation_is_told_the_same_over_each_binding"

SECURITY: Final = (
    must("tls", "7.1, 13.4", "Production is encrypted: HTTPS, and TLS for gRPC.", outside=OPERATOR),
    must("auth.every-request", "7.4", "Every request is authenticated.", _KEYS),
    must("in-task-auth.task", "7.6.1", "What needs authorization is a Task.", _AUTH),
    must(
        "in-task-auth.state",
        "7.6.1",
        "The task is AUTH_REQUIRED.",
        _AUTH,
        f"{QUESTIONS}a_task_that_needs_authorization_says_so",
    ),
    must("in-task-auth.message", "7.6.1", "Its status has a message that explains what is needed.", _AUTH),
    must(
        "in-task-auth.out-of-band",
        "7.6.1",
        "Credentials come out of band.",
        f"{SUBSCRIPTIONS}authorization_keeps_the_stream_of_a_message_open",
    ),
    must("card.available", "8.1, 14.3", "There is a card at the well-known place.", _CARD),
    must("card.required-fields", "8.1", "It has every required field, none of them empty.", _FIELDS),
    must("card.interfaces", "5.2, 8.3", "It declares every binding that is served.", _CARD),
    must("card.addresses", "8.3.1", "Each declared interface is there, and speaks what it says.", _CARD),
    must("card.client-rules", "8.3.2", "Clients choose among interfaces by rules.", outside=CLIENT),
    must("signing.jcs", "8.4.1", "What is signed is canonical by RFC 8785.", _CANONICAL, _BELIEVED),
    must(
        "signing.numbers",
        "8.4.1",
        "Numbers are written as ECMAScript does.",
        f"{SIGNING}numbers_are_written_as_ecmascript_does_by_its_rules",
    ),
    must("signing.presence", "8.4.1", "What is not set is left out, and what is required stays.", _EMPTY, _FIELDS),
    must("signing.defaults", "8.4.1", "Defaults of other fields are left out.", _EMPTY),
    must(
        "signing.excluded",
        "8.4.1",
        "The signatures themselves are not signed.",
        f"{SIGNING}a_new_key_signs_while_the_old_one_can_be_checked_against",
    ),
    must("signing.header", "8.4.2", "The protected header has alg and kid.", _BELIEVED),
    must(
        "signing.verification",
        "8.4.3",
        "Clients verify with keys that are neither expired nor revoked.",
        outside="It binds clients; tests/peers shows it of ours.",
    ),
    must("scope.every-operation", "13.1", "Every operation looks at who calls.", _TENANT, _KEYS),
    must(
        "scope.results",
        "13.1",
        "Results are within what the caller may see, without filters too.",
        f"{LISTS}lists_show_nothing_of_another_tenant",
        _TENANT,
    ),
    must("scope.get", "13.1", "GetTask, CancelTask and subscriptions are for one's own tasks.", _TENANT, _NOT_OWN),
    must("scope.no-leak", "13.1", "Someone else's task is told of as one that is not there.", _TENANT, _NOT_OWN),
    must("extended-card.authenticated", "13.3", "The extended card is for who is authenticated.", _KEYS, _EXTENDED),
    must("extended-card.schemes", "13.3", "By the schemes that the card declares.", _CARD, _EXTENDED),
    must(
        "extended-card.permitted",
        "13.3, 14.3",
        "And to whom it may be shown.",
        f"{CARDS}the_extended_card_is_for_callers_that_the_server_asks_who_they_are",
    ),
    must(
        "extended-card.undeclared",
        "13.3",
        "Where it is not declared it is an UnsupportedOperationError.",
        f"{CARDS}a_server_that_asks_nobody_has_no_extended_card",
        _SAME,
    ),
    must(
        "extended-card.not-configured",
        "13.3",
        "Where it is declared and there is none it is an ExtendedAgentCardNotConfiguredError.",
        outside="Where Dragoman declares it there is one.",
    ),
    must("input.validated", "13.4", "All input is validated.", f"{PARAMS}a_wrong_message_is_refused_by_its_field"),
    must(
        "secrets",
        "13.4",
        "Credentials are secrets, and no log has them.",
        f"{CALLS}an_error_of_our_own_tells_nothing_of_its_cause",
        f"{SIGNING}keys_are_for_their_owner_alone_and_private_halves_stay_in_the_file",
    ),
    must("data-protection", "13.4, 14.1.1", "Data protection law is kept.", outside=OPERATOR),
    must("utf-8", "14.1.1", "JSON is UTF-8.", f"{CALLS}what_is_no_json_is_a_parse_error"),
    must(
        "schema",
        "14.1.1",
        "Content is held against the schema before it is processed.",
        f"{PARAMS}a_wrong_message_is_refused_by_its_field",
        f"{CALLS}input_that_does_not_fit_the_agents_schema_is_told_by_its_fields",
    ),
    must(
        "sanitized",
        "14.1.1",
        "What users provide is made harmless.",
        unmet="It is kept and handed on as data and never executed; what an agent does with it is the agent's.",
    ),
    must(
        "ssrf",
        "14.1.1",
        "References to files are no way into the server's network.",
        f"{PARAMS}a_file_that_the_agent_cannot_read_is_a_content_type_that_is_not_supported",
    ),
    must(
        "version.format",
        "14.2.1",
        "A2A-Version is Major.Minor.",
        f"{BINDINGS}a_version_that_is_not_served_is_refused",
    ),
)
