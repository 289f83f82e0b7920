"""Sections 3 and 4: operations, errors, identifiers, streams, versions, push notifications, extensions."""

from __future__ import annotations

from typing import Final

from conformance.a2a_requirements.where import (
    BINDINGS,
    CALLS,
    CARDS,
    CLIENT,
    ERRORS,
    KILLED,
    LISTS,
    OTHERS,
    OURS,
    PARAMS,
    PROJECT,
    PUSH,
    PUSH_SERVER,
    QUESTIONS,
    STREAM,
    SUBSCRIPTIONS,
    TASKS,
    must,
)

__all__ = ["OPERATIONS"]

_SAME: Final = f"{BINDINGS}a_conversation_is_told_the_same_over_each_binding"
_NOT_OWN: Final = f"{TASKS}a_task_that_is_not_ones_own_is_not_found"
_TENANT: Final = f"{OURS}a_task_is_its_tenants_alone_over_each_binding"
_CONFIGS: Final = f"{OURS}configs_are_got_and_listed_and_deleted_twice_and_one_that_is_not_there_is_not_found"
_EVERY: Final = f"{SUBSCRIPTIONS}every_subscriber_is_told_the_same"
_VERSION: Final = f"{BINDINGS}a_version_that_is_not_served_is_refused"
_REQUIRED: Final = f"{OURS}an_extension_that_is_required_is_asked_for_over_each_binding"
_ENDED: Final = f"{TASKS}a_task_that_has_ended_takes_no_message_and_is_not_cancelled"
_HAS: Final = "Dragoman declares the capability, so the case does not arise."

OPERATIONS: Final = (
    must("send.task-or-message", "3.1.1", "SendMessage answers with a task or a message.", _SAME),
    must(
        "send.media-types",
        "3.1.1",
        "A part of a media type that is not supported is a ContentTypeNotSupportedError.",
        f"{PARAMS}a_file_that_the_agent_cannot_read_is_a_content_type_that_is_not_supported",
        _SAME,
    ),
    must("send.ended", "3.1.1", "A message to a task that has ended is an UnsupportedOperationError.", _ENDED),
    must("stream.connection", "3.1.2", "A streaming send is told of updates as they happen.", _SAME),
    must(
        "stream.task-first",
        "3.1.2",
        "A stream begins with the Task and closes when it ends.",
        f"{SUBSCRIPTIONS}a_stream_is_the_task_and_all_that_becomes_of_it",
    ),
    must(
        "stream.message-only",
        "3.1.2",
        "A stream that begins with a Message holds that alone.",
        outside="Streams here are always of tasks, as the section allows; only SendMessage may answer with a Message.",
    ),
    must(
        "list.no-artifacts",
        "3.1.4",
        "Without includeArtifacts no task of a list has artifacts.",
        f"{LISTS}artifacts_and_history_are_listed_as_asked_for",
        f"{OURS}every_list_says_where_it_goes_on_even_where_it_does_not",
    ),
    must(
        "list.next-page-token",
        "3.1.4",
        "nextPageToken is always there, and empty on the last page.",
        f"{OURS}every_list_says_where_it_goes_on_even_where_it_does_not",
    ),
    must(
        "list.own",
        "3.1.4",
        "A list has the caller's tasks alone.",
        f"{LISTS}lists_show_nothing_of_another_tenant",
        _TENANT,
    ),
    must("list.cursor", "3.1.4", "Lists are paged by cursor.", f"{LISTS}lists_are_paged_without_loss_or_repetition"),
    must(
        "list.order",
        "3.1.4",
        "Tasks are sorted by the time of their status, the latest first.",
        f"{LISTS}tasks_are_listed_with_the_latest_status_first",
    ),
    must(
        "subscribe.ends",
        "3.1.6",
        "A subscription ends when the task does.",
        f"{SUBSCRIPTIONS}a_cancelled_task_ends_its_streams",
    ),
    must("subscribe.task-first", "3.1.6", "A subscription begins with the Task as it is.", _EVERY),
    must("subscribe.terminal", "3.1.6", "A task that has ended cannot be subscribed to.", _SAME),
    must("cancel.terminal", "3.1.5", "A task that has ended cannot be cancelled.", _ENDED, _SAME),
    must(
        "push.create",
        "3.1.7",
        "A config is kept, and updates go to its webhook.",
        _CONFIGS,
        f"{PUSH}a_config_that_comes_later_is_told_what_happens_then",
    ),
    must("push.get", "3.1.8", "A config is got; one that is not there, or not one's own, is an error.", _CONFIGS),
    must("push.list", "3.1.9", "All configs of a task are listed.", _CONFIGS),
    must("push.delete", "3.1.10", "A config is deleted for good, and deleting it again is no error.", _CONFIGS),
    must(
        "extended-card.client",
        "3.1.11",
        "The client authenticates by one of the declared schemes.",
        outside=CLIENT,
    ),
    must("blocking", "3.2.2", "A blocking send waits until the task has ended or asks for something.", _SAME),
    must(
        "non-blocking",
        "3.2.2",
        "A non-blocking send answers at once.",
        f"{TASKS}return_immediately_answers_before_the_end",
    ),
    must("service-parameters", "3.2.6", "Service parameters have case-insensitive names.", _VERSION, _REQUIRED),
    must(
        "errors.right",
        "3.3.2",
        "Errors are of the right kind.",
        f"{ERRORS}a_domain_error_is_told_with_its_code_reason_and_message",
    ),
    must(
        "errors.unauthenticated",
        "3.3.2",
        "Missing and invalid credentials are refused.",
        f"{OURS}who_has_no_key_or_a_wrong_one_may_call_nothing",
    ),
    must(
        "errors.unauthorized",
        "3.3.2",
        "Who lacks a permission is told so.",
        unmet="There are no permissions below a tenant yet: who is in it may do everything with its tasks.",
    ),
    must("errors.hidden", "3.3.2", "What one may not see is not told to exist.", _NOT_OWN, _TENANT),
    must("errors.not-found", "3.3.2", "What is not there, or not one's own, is not found.", _NOT_OWN, _SAME),
    must(
        "errors.validation",
        "3.3.2",
        "Every parameter is checked before anything is done.",
        f"{PARAMS}a_wrong_message_is_refused_by_its_field",
        f"{PARAMS}a_wrong_listing_is_refused_by_its_field",
        f"{PARAMS}no_json_makes_reading_fail_otherwise_than_by_a_fault",
    ),
    must("errors.content", "3.3.2", "An error has a code and a message, over every binding.", _SAME),
    must(
        "errors.typed-details",
        "3.3.2",
        "Each detail of an error has an @type.",
        f"{ERRORS}the_fields_that_are_wrong_are_told",
    ),
    must("capability.push", "3.3.4", "Without the capability push configs are refused.", outside=_HAS),
    must("capability.streaming", "3.3.4", "Without the capability streams are refused.", outside=_HAS),
    must(
        "capability.extended-card",
        "3.3.4",
        "Without the capability the extended card is an UnsupportedOperationError.",
        f"{TASKS}there_is_no_extended_card",
        _SAME,
    ),
    must(
        "capability.extensions",
        "3.3.4",
        "Without an extension that is required the answer is an ExtensionSupportRequiredError.",
        _REQUIRED,
    ),
    must("context.told", "3.4.1", "A context that the agent makes is told.", _SAME),
    must(
        "context.rejected",
        "3.4.1",
        "A context that cannot be taken is an error, and no other is made.",
        f"{PARAMS}a_wrong_message_is_refused_by_its_field",
        f"{TASKS}a_client_may_choose_its_context",
    ),
    must(
        "task-id.unique",
        "3.4.2",
        "Each new task has an id of its own, which is told.",
        f"{TASKS}the_same_message_id_of_someone_or_something_else_is_another_task",
    ),
    must("task-id.known", "3.4.2", "A message to a task that is not there is a TaskNotFoundError.", _NOT_OWN),
    must(
        "multi-turn.inferred",
        "3.4.3",
        "Of a message with a task alone the context is that task's.",
        f"{QUESTIONS}a_follow_up_needs_the_task_alone_and_its_context_if_given_must_fit",
    ),
    must(
        "multi-turn.mismatch",
        "3.4.3",
        "A context that is not the task's is refused.",
        f"{QUESTIONS}a_follow_up_needs_the_task_alone_and_its_context_if_given_must_fit",
        _SAME,
    ),
    must(
        "events.order",
        "3.5.2",
        "Events are told in their order.",
        f"{KILLED}three_subscribers_have_every_chunk_once_through_a_kill",
        f"{SUBSCRIPTIONS}the_ids_of_a_stream_are_the_numbers_of_its_events",
    ),
    must("events.broadcast", "3.5.2", "Events are told to every stream of the task.", _EVERY),
    must(
        "events.same",
        "3.5.2",
        "Each stream has the same events in the same order.",
        _EVERY,
        f"{STREAM}wherever_a_subscriber_joins_it_puts_together_the_same_task",
    ),
    must(
        "events.independent",
        "3.5.2",
        "A stream that closes affects no other.",
        f"{SUBSCRIPTIONS}a_client_that_leaves_does_not_cancel_the_run",
        f"{SUBSCRIPTIONS}a_subscriber_that_does_not_keep_up_is_told_where_to_go_on",
    ),
    must("version.client", "3.6.1", "Clients send A2A-Version.", outside=CLIENT),
    must(
        "version.semantics",
        "3.6.2",
        "A request is understood in its version, by Major.Minor.",
        f"{CALLS}a_version_is_matched_by_major_and_minor",
    ),
    must("version.unsupported", "3.6.2", "Another version is a VersionNotSupportedError.", _VERSION),
    must(
        "version.empty",
        "3.6.2",
        "No version is 0.3.",
        f"{CALLS}no_version_is_0_3_which_has_other_methods",
    ),
    must("version.tooling", "3.6.3", "SDKs help with versions.", outside="It binds SDKs."),
    must("messages.unreliable", "3.7", "Nobody relies on status messages or on history alone.", outside=CLIENT),
    must(
        "data-model",
        "4",
        "Bindings have equivalent forms of the same data.",
        _SAME,
        f"{PROJECT}each_status_of_a_run_is_one_state_of_its_task",
    ),
    must(
        "push.credentials",
        "4.3.3, 13.2",
        "A webhook is sent the credentials of its config.",
        f"{PUSH}secrets_are_sent_to_the_receiver_and_told_to_nobody_else",
    ),
    must(
        "push.at-least-once",
        "4.3.3",
        "Each webhook is told at least once.",
        f"{PUSH_SERVER}after_each_kill_what_was_not_told_is_told_in_order",
    ),
    must("push.receiver", "4.3.3, 13.2", "Receivers acknowledge with 2xx and validate what they get.", outside=CLIENT),
    must("extensions.versions", "4.6.3", "A breaking change of an extension has a new URI.", outside=OTHERS),
    must(
        "extensions.unknown", "4.6.3", "An extension that is required is in the version that is asked for.", _REQUIRED
    ),
    must(
        "card.capabilities",
        "4.4.3",
        "The card declares what the agent can do.",
        f"{CARDS}a_card_has_every_required_field_of_1_0",
    ),
)
