"""Client features, as far as they bind the server that asks: elicitation, sampling, roots."""

from __future__ import annotations

from typing import Final

from conformance.mcp_requirements.where import (
    CALL_QUESTIONS,
    CLIENT_REQUESTS,
    KEYS,
    PROJECT,
    PROTOCOL,
    R_BASE,
    R_PATTERNS,
)
from conformance.requirement import Requirement

__all__ = ["CLIENT"]

_ELICITATION: Final = "client/elicitation"
_SAMPLING: Final = "client/sampling"
_NO_TOOLS: Final = "The server asks for completions without tools, so no message of it holds a tool's use or result."
_NO_URLS: Final = "The server sends no URL mode requests."
_REFUSED: Final = f"{CALL_QUESTIONS}a_state_that_is_not_the_callers_for_this_very_call_is_refused"
_NO_FORM: Final = f"{CALL_QUESTIONS}what_asks_for_authorization_is_never_put_into_a_form"
_FORMS: Final = f"{PROJECT}any_question_is_asked_as_a_flat_form_and_the_form_is_read_back_as_its_answer"


def _url(id: str, section: str, says: str) -> Requirement:
    return Requirement(id=f"elicitation.{id}", page=_ELICITATION, section=section, says=says, outside=_NO_URLS)


def _sampling(id: str, section: str, says: str) -> Requirement:
    return Requirement(id=f"sampling.{id}", page=_SAMPLING, section=section, says=says, outside=_NO_TOOLS)


CLIENT: Final = (
    Requirement(
        id="elicitation.no-secrets-by-form",
        page=_ELICITATION,
        section="User Interaction Model",
        says="No form asks for passwords, keys, tokens or means of payment.",
        tests=(_NO_FORM,),
    ),
    Requirement(
        id="elicitation.secrets-by-url",
        page=_ELICITATION,
        section="User Interaction Model",
        says="What asks for such goes by URL mode.",
        tests=(_NO_FORM,),
        unmet="A question for authorization is put to no MCP client at all: the call is answered with a run handle.",
    ),
    Requirement(
        id="elicitation.declared-modes",
        page=_ELICITATION,
        section="Capabilities",
        says="No request in a mode that the client does not support.",
        tests=(f"{R_PATTERNS}a_client_is_asked_in_no_mode_that_it_has_not_declared",),
    ),
    Requirement(
        id="elicitation.parameters",
        page=_ELICITATION,
        section="Elicitation Requests",
        says="A request has a mode and a message.",
        tests=(f"{CALL_QUESTIONS}a_modern_client_is_asked_and_its_retry_goes_on_with_the_same_run",),
    ),
    Requirement(
        id="elicitation.form-parameters",
        page=_ELICITATION,
        section="Form Mode Elicitation Requests",
        says="A form says mode form, or none, and has a requestedSchema.",
        tests=(f"{PROJECT}a_form_says_its_mode_only_where_there_are_modes", _FORMS),
    ),
    _url("url-parameters", "URL Mode Elicitation Requests", "A URL request has its mode, a message, an id and a URL."),
    _url("url-valid", "URL Mode Elicitation Requests", "The URL is one."),
    Requirement(
        id="elicitation.state-of-user",
        page=_ELICITATION,
        section="Statefulness",
        says="State that is kept belongs to its user.",
        tests=(_REFUSED, f"{CALL_QUESTIONS}a_reply_of_another_tenant_or_to_nothing_is_ignored"),
    ),
    Requirement(
        id="elicitation.state-protected",
        page=_ELICITATION,
        section="Statefulness",
        says="State that is kept is protected.",
        tests=(
            f"{PROTOCOL}what_a_key_sealed_is_opened_by_the_one_that_took_its_place_and_not_the_other_way",
            _REFUSED,
        ),
    ),
    Requirement(
        id="elicitation.user-by-credentials",
        page=_ELICITATION,
        section="Statefulness",
        says="For remote servers the user is known by the credentials of the authorization.",
        tests=(f"{KEYS}a_key_says_who_is_calling",),
    ),
    _url(
        "url-no-self-authorization",
        "URL Mode Elicitation for OAuth Flows",
        "URL mode does not authorize users for the server itself.",
    ),
    _url("url-no-transit", "Understanding the Distinction", "Others' credentials do not go through the client."),
    _url(
        "url-no-client-credentials",
        "Understanding the Distinction",
        "The client's credentials are not used with others.",
    ),
    _url("url-direct", "Understanding the Distinction", "The user authorizes the server directly."),
    _url(
        "url-no-transmission",
        "Understanding the Distinction",
        "What was got by URL mode is not passed on to the client.",
    ),
    Requirement(
        id="elicitation.declined",
        page=_ELICITATION,
        section="Error Handling",
        says="A user who declines or dismisses, and a client that fails, are dealt with.",
        tests=(
            f"{CALL_QUESTIONS}declining_answers_an_approval_or_cancels_the_run_and_dismissing_leaves_it_waiting",
            f"{PROJECT}what_is_no_response_to_a_form_is_a_protocol_error_that_names_the_question",
        ),
    ),
    Requirement(
        id="elicitation.bound",
        page=_ELICITATION,
        section="Security Considerations",
        says="A request is bound to its client and user.",
        tests=(_REFUSED, f"{CALL_QUESTIONS}a_reply_of_another_tenant_or_to_nothing_is_ignored"),
    ),
    _url("url-nothing-sensitive", "Safe URL Handling", "The URL holds nothing sensitive."),
    _url("url-not-preauthenticated", "Safe URL Handling", "The URL opens nothing by itself."),
    Requirement(
        id="elicitation.no-claimed-identity",
        page=_ELICITATION,
        section="Identifying the User",
        says="Who the user is, is not what the client says.",
        tests=(f"{R_BASE}a_caller_is_not_who_the_client_says_but_who_is_authenticated",),
    ),
    Requirement(
        id="elicitation.form-security",
        page=_ELICITATION,
        section="Form Mode Security",
        says="No form asks for what is sensitive.",
        tests=(_NO_FORM,),
    ),
    _url("url-same-user", "Phishing", "Who opens the URL is verified before anything is accepted."),
    _url("url-same-user-completes", "Phishing", "Who began is who completes."),
    _url("url-tampering", "Phishing", "A changed URL changes nobody's identity."),
    _sampling("tools-declared", "Tools in Sampling", "No tools for clients that have not declared them."),
    Requirement(
        id="sampling.roles",
        page=_SAMPLING,
        section="Messages",
        says="Messages have a role and a content.",
        tests=(f"{CLIENT_REQUESTS}a_completion_is_asked_for_as_one",),
    ),
    _sampling("tool-results-alone", "Tool Result Messages", "A message with tool results holds nothing else."),
    _sampling("tool-results-balance", "Tool Use and Result Balance", "Each use of a tool is followed by its result."),
    _sampling("tool-results-ids", "Security Considerations", "Results name the use that they belong to."),
    Requirement(
        id="sampling.sensitive",
        page=_SAMPLING,
        section="Security Considerations",
        says="Sensitive data is handled with care.",
        tests=(f"{CALL_QUESTIONS}a_reply_of_another_tenant_or_to_nothing_is_ignored", _REFUSED),
        unmet="A completion is its tenant's and its caller's alone; but it lies in the ledger unencrypted.",
    ),
)
