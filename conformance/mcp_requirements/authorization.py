"""Authorization, as far as it binds the MCP server (the resource server)."""

from __future__ import annotations

from typing import Final

from conformance.mcp_requirements.where import KEYS, SCOPES
from conformance.requirement import Requirement

__all__ = ["AUTHORIZATION"]

_INDEX: Final = "basic/authorization/index"
_DISCOVERY: Final = "basic/authorization/authorization-server-discovery"
_SECURITY: Final = "basic/authorization/security-considerations"
_NO_OAUTH: Final = "Callers show API keys; OAuth access tokens are not taken yet."
_PROXY: Final = "Dragoman forwards no calls to other servers with a caller's token, and takes none."


def _missing(id: str, page: str, section: str, says: str) -> Requirement:
    return Requirement(id=f"authorization.{id}", page=page, section=section, says=says, unmet=_NO_OAUTH)


AUTHORIZATION: Final = (
    _missing("resource-metadata", _INDEX, "Overview", "Protected Resource Metadata (RFC 9728) is served."),
    _missing("discovery", _INDEX, "Authorization Server Discovery", "The rules of discovery are followed."),
    _missing(
        "servers-named", _DISCOVERY, "Authorization Server Location", "The metadata names an authorization server."
    ),
    _missing(
        "metadata-found",
        _DISCOVERY,
        "Protected Resource Metadata Discovery Requirements",
        "The metadata is found by WWW-Authenticate or at a well-known URI.",
    ),
    _missing("tokens-validated", _INDEX, "Token Handling", "Access tokens are validated by OAuth 2.1."),
    _missing("audience", _INDEX, "Token Handling", "Tokens were issued for this server."),
    _missing("refusal", _INDEX, "Token Handling", "Failed validation is answered as OAuth 2.1 says."),
    Requirement(
        id="authorization.invalid-401",
        page=_INDEX,
        section="Token Handling",
        says="An invalid or expired token gets 401.",
        tests=(f"{KEYS}a_wrong_key_is_challenged_as_an_invalid_token_and_not_repeated",),
    ),
    _missing("own-tokens", _INDEX, "Token Handling", "Only tokens for its own resources are accepted."),
    Requirement(
        id="authorization.no-transit",
        page=_INDEX,
        section="Token Handling",
        says="No other tokens are accepted or passed on.",
        outside=_PROXY,
    ),
    Requirement(
        id="authorization.status-codes",
        page=_INDEX,
        section="Error Handling",
        says="401, 403 and 400 as they fit.",
        tests=(
            f"{KEYS}no_key_is_challenged_without_an_error_code",
            f"{KEYS}a_wrong_key_is_challenged_as_an_invalid_token_and_not_repeated",
            f"{SCOPES}over_http_the_answer_is_403_with_a_challenge",
        ),
    ),
    _missing("scope-hierarchy", _INDEX, "Step-Up Authorization Flow", "A broader scope stands for narrower ones."),
    _missing("audience-binding", _SECURITY, "Token Audience Binding and Validation", "Tokens were issued for its use."),
    Requirement(
        id="authorization.storage",
        page=_SECURITY,
        section="Token Theft",
        says="Tokens are kept safely.",
        binds="both",
        tests=(f"{KEYS}a_key_is_32_random_bytes_of_which_only_the_hash_is_kept",),
    ),
    Requirement(
        id="authorization.confused-deputy",
        page=_SECURITY,
        section="Confused Deputy Problem",
        says="A proxy with a static client id asks each client's user for consent.",
        outside=_PROXY,
    ),
    _missing(
        "validated-first",
        _SECURITY,
        "Access Token Privilege Restriction",
        "Tokens are validated before anything is done.",
    ),
    _missing("inbound", _SECURITY, "Access Token Privilege Restriction", "Inbound tokens are validated by OAuth 2.1."),
    _missing("intended", _SECURITY, "Access Token Privilege Restriction", "Tokens for others are refused."),
    Requirement(
        id="authorization.no-passthrough",
        page=_SECURITY,
        section="Access Token Privilege Restriction",
        says="The client's token is not passed on upstream.",
        outside=_PROXY,
    ),
)
