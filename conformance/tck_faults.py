"""What the A2A TCK has wrong: the tests that fail where a server does what the specification says.

Each names its thread, or why there is none, and the test of ours that shows the specification's rule. A fault whose
tests no longer fail is told by ``a2a_suite``, so that the list stays true.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["FAULTS", "Fault"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """``tests`` are beginnings of node ids in the TCK of ``version``; ``rule`` is our test of what the specification
    says instead, a node id of pytest without parameters."""

    version: str
    tests: tuple[str, ...]
    why: str
    thread: str
    rule: str

    def is_of(self, id: str) -> bool:
        """Whether a test's failure is this fault."""
        return any(id.startswith(test) for test in self.tests)


_1_0: Final = "1.0-dev"
_0_3: Final = "0.3.x"
_CORE: Final = "tests/compatibility/core_operations/test_requirements.py::test_must_requirement"
_GRPC: Final = "tests/compatibility/grpc/test_status_codes.py::TestGrpcStatusCodes"
_REST: Final = "tests/compatibility/http_json/test_http_status.py::TestHttpJsonStatusCodes"
_OURS: Final = "tests/protocols/a2a"

FAULTS: Final = (
    Fault(
        version=_1_0,
        tests=("tests/compatibility/agent_card/test_agent_card.py::TestAgentCardStructure::test_agent_card_validates",),
        why="Its schema of a card takes no field beyond 1.0's. A card that 0.3 clients read too has theirs beside "
        "them, and clients ignore what they do not know (section 3.6.3 and ProtoJSON).",
        thread="a2aproject/a2a-tck#179 (merged after this snapshot)",
        rule=f"{_OURS}/test_cards.py::test_a_card_has_every_required_field_of_1_0",
    ),
    Fault(
        version=_1_0,
        tests=(f"{_CORE}[CORE-SEND-003-",),
        why="It wants success where the requirement that it quotes, section 3.1.1, wants ContentTypeNotSupportedError.",
        thread="a2aproject/a2a-tck#202",
        rule=f"{_OURS}/test_params.py::test_a_file_that_the_agent_cannot_read_is_a_content_type_that_is_not_supported",
    ),
    Fault(
        version=_1_0,
        tests=(
            f"{_GRPC}::test_push_not_supported_returns_unimplemented",
            f"{_GRPC}::test_version_not_supported_returns_unimplemented",
            f"{_REST}::test_content_type_not_supported_returns_415",
            f"{_REST}::test_task_not_cancelable_returns_409",
        ),
        why="It has the codes of a draft: section 5.4 says FAILED_PRECONDITION, and 400.",
        thread="a2aproject/A2A#1627, a2aproject/a2a-tck#232",
        rule=f"{_OURS}/test_errors.py::test_errors_are_mapped_as_section_5_4_says",
    ),
    Fault(
        version=_0_3,
        tests=("tests/mandatory/quality/test_error_validation_enhanced.py::test_invalid_method_error_validation",),
        why="It sends the whole request as the name of the method: an object, which is an invalid request (-32600).",
        thread="none found",
        rule=f"{_OURS}/test_legacy.py::test_what_is_wrong_with_a_call_is_told_before_the_lack_of_an_id",
    ),
    Fault(
        version=_0_3,
        tests=("tests/mandatory/security/test_agent_card_security.py::test_sensitive_information_protection",),
        why="It calls any address of this machine in a card a leak; a server that is tried on this machine has no "
        "other.",
        thread="none found",
        rule=f"{_OURS}/test_cards.py::test_the_public_address_wins_over_the_one_it_was_asked_by",
    ),
    Fault(
        version=_0_3,
        tests=(
            "tests/mandatory/transport/test_multi_transport_equivalence.py::test_agent_card_access_equivalence",
            "tests/mandatory/jsonrpc/test_a2a_error_codes_enhanced.py::test_push_notification_not_supported_error_32003",
        ),
        why="They ask for the extended card of an agent whose card says that it has none (0.3, section 7.10: -32007), "
        "and take the answer for the lack of a card, or of what it declares.",
        thread="none found; for 1.0 the same was a2aproject/a2a-tck#152",
        rule=f"{_OURS}/test_legacy.py::test_errors_have_the_codes_of_0_3",
    ),
    Fault(
        version=_0_3,
        tests=(
            "tests/optional/capabilities/test_push_notification_config_methods.py::test_get_push_notification_config",
        ),
        why="It sets a config without an id and asks for one with the id 'default', which nobody gave it (0.3, section "
        "7.6).",
        thread="none found",
        rule=f"{_OURS}/test_push.py::test_a_0_3_clients_configs_are_set_got_listed_and_deleted",
    ),
    Fault(
        version=_0_3,
        tests=("tests/optional/quality/test_task_state_quality.py::test_task_state_transitions",),
        why="It wants a task that message/send has waited for to be at work still, and to take a further message then; "
        "0.3 lets the agent wait until the task asks for something (section 7.1).",
        thread="none found",
        rule=f"{_OURS}/test_legacy.py::test_a_question_is_answered_and_a_task_cancelled",
    ),
)
