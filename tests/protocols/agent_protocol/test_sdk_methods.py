"""Which test calls each public method of the five clients of ``langgraph-sdk``, async and sync: the methods are those
that the installed SDK has, and the calls are looked for in the source of the tests that the table names. It shows that
none was left out; what they answer, the tests themselves check."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import langgraph_sdk.client as sdk
import pytest

HERE = Path(__file__).parent
KINDS = {"async": "", "sync": "Sync"}
CLIENTS = {
    "assistants": "AssistantsClient",
    "threads": "ThreadsClient",
    "runs": "RunsClient",
    "crons": "CronClient",
    "store": "StoreClient",
}
Call = tuple[str, str, str]  # kind, client, method

# kind, client, the methods, and the test that calls them and checks what they answer
TABLE: tuple[tuple[str, str, str, str], ...] = (
    (
        "async",
        "assistants",
        "create get update get_versions set_latest delete",
        "test_assistants::test_an_assistant_is_made_changed_gone_back_to_and_deleted",
    ),
    (
        "async",
        "assistants",
        "search count",
        "test_assistants::test_the_agents_own_assistants_are_listed_among_those_that_were_made",
    ),
    (
        "async",
        "assistants",
        "get_graph get_schemas get_subgraphs",
        "test_assistants::test_an_agent_is_a_graph_of_one_node_without_subgraphs",
    ),
    (
        "sync",
        "assistants",
        "create get update get_versions set_latest delete search count get_graph get_schemas get_subgraphs",
        "test_assistants::test_the_sync_client_gets_the_same",
    ),
    ("async", "threads", "create get update delete", "test_sdk::test_a_thread_lives_and_dies"),
    (
        "async",
        "threads",
        "search count",
        "test_sdk_threads::test_threads_are_searched_sorted_selected_and_extracted",
    ),
    ("async", "threads", "copy", "test_sdk_threads::test_a_run_begins_from_a_checkpoint"),
    ("async", "threads", "prune", "test_sdk_threads::test_threads_are_pruned"),
    (
        "async",
        "threads",
        "get_state update_state get_history",
        "test_sdk::test_states_are_read_written_and_gone_back_to",
    ),
    (
        "async",
        "threads",
        "join_stream",
        "streaming/test_resuming::test_the_sdk_joins_a_thread_and_hears_of_its_runs_one_after_another",
    ),
    ("async", "threads", "stream", "streaming/test_protocol_sdk::test_the_sdk_streams_a_thread"),
    ("sync", "threads", "create get update delete", "test_sdk_sync::test_a_thread_is_made_changed_and_deleted"),
    (
        "sync",
        "threads",
        "search count copy prune",
        "test_sdk_sync::test_threads_are_searched_counted_copied_and_pruned",
    ),
    (
        "sync",
        "threads",
        "get_state update_state get_history",
        "test_sdk_sync::test_states_are_read_written_and_gone_back_to",
    ),
    ("sync", "threads", "join_stream", "test_sdk_sync::test_a_threads_stream_is_joined_and_replayed"),
    ("sync", "threads", "stream", "test_sdk_sync::test_a_thread_is_streamed_by_the_protocol"),
    ("async", "runs", "create get list join delete", "test_sdk::test_a_background_run_is_listed_joined_and_deleted"),
    ("async", "runs", "wait", "test_sdk::test_a_run_is_waited_for_on_a_thread_and_without_one"),
    ("async", "runs", "stream", "test_sdk::test_a_stream_gives_the_modes_that_were_asked_for"),
    (
        "async",
        "runs",
        "join_stream",
        "test_sdk::test_joining_a_stream_gives_what_comes_and_with_a_last_event_id_what_was_missed",
    ),
    ("async", "runs", "create_batch", "test_sdk_runs::test_a_batch_opens_its_runs_in_order"),
    ("async", "runs", "cancel", "test_sdk_runs::test_a_run_is_cancelled_and_rolled_back_or_kept"),
    ("async", "runs", "cancel_many", "test_sdk_runs::test_runs_are_cancelled_by_id_by_thread_and_by_status"),
    ("sync", "runs", "create get list join delete", "test_sdk_sync::test_a_run_is_made_listed_joined_and_deleted"),
    ("sync", "runs", "wait", "test_sdk_sync::test_a_run_is_waited_for_answered_and_raises_what_it_raised"),
    ("sync", "runs", "stream", "test_sdk_sync::test_a_run_is_streamed_in_the_modes_and_the_form_asked_for"),
    ("sync", "runs", "join_stream", "test_sdk_sync::test_a_runs_stream_is_joined_with_what_was_missed"),
    ("sync", "runs", "create_batch", "test_sdk_sync::test_a_batch_opens_its_runs_in_order"),
    ("sync", "runs", "cancel", "test_sdk_sync::test_a_run_is_cancelled_or_taken_back"),
    ("sync", "runs", "cancel_many", "test_sdk_sync::test_runs_are_cancelled_by_id_by_thread_and_by_status"),
    (
        "async",
        "crons",
        "create create_for_thread update search count delete",
        "test_crons::test_crons_are_searched_and_counted",
    ),
    (
        "sync",
        "crons",
        "create create_for_thread update search count delete",
        "test_crons::test_the_sync_client_gets_the_same",
    ),
    ("async", "store", "put_item get_item delete_item", "test_store::test_an_item_is_put_got_and_deleted"),
    ("async", "store", "search_items", "test_store::test_items_are_searched_by_filter_and_by_words"),
    ("async", "store", "list_namespaces", "test_store::test_namespaces_are_listed"),
    (
        "sync",
        "store",
        "put_item get_item delete_item search_items list_namespaces",
        "test_store::test_the_sync_client_gets_the_same",
    ),
)


def _methods() -> Iterator[Call]:
    """Every public method of the SDK's clients."""
    for kind, prefix in KINDS.items():
        for name, client in CLIENTS.items():
            members: list[tuple[str, Any]] = inspect.getmembers(getattr(sdk, prefix + client), callable)
            yield from ((kind, name, method) for method, _ in members if not method.startswith("_"))


class _Calls(ast.NodeVisitor):
    """The calls of a client's methods within a test. A call from ``async def`` is the async client's, one from ``def``
    the sync client's; ``own = client.runs`` makes ``own`` a name of that client."""

    def __init__(self) -> None:
        self.found: set[Call] = set()
        self._kind = "sync"
        self._names: dict[str, str] = {}

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._within(node, "async")

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._within(node, "sync")

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if isinstance(node.target, ast.Name) and isinstance(node.value, ast.Attribute) and node.value.attr in CLIENTS:
            self._names[node.target.id] = node.value.attr
        self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        match node.value:
            case ast.Attribute(attr=client) if client in CLIENTS:
                self.found.add((self._kind, client, node.attr))
            case ast.Name(id=name) if name in self._names:
                self.found.add((self._kind, self._names[name], node.attr))
            case _:
                pass
        self.generic_visit(node)

    def _within(self, node: ast.AsyncFunctionDef | ast.FunctionDef, kind: str) -> None:
        before, self._kind = self._kind, kind
        self.generic_visit(node)
        self._kind = before


def _calls(test: str) -> set[Call]:
    """What ``file::test`` calls. Raises ``ValueError`` where there is no such test."""
    file, _, name = test.partition("::")
    functions = (ast.AsyncFunctionDef, ast.FunctionDef)
    tree = ast.parse((HERE / f"{file}.py").read_text())
    (found,) = [node for node in tree.body if isinstance(node, functions) and node.name == name]
    calls = _Calls()
    calls.visit(found)
    return calls.found


def test_the_table_has_each_method_of_the_sdk_once() -> None:
    listed = [(kind, client, method) for kind, client, methods, _ in TABLE for method in methods.split()]
    assert sorted(listed) == sorted(_methods())
    assert len(listed) == 2 * 46


@pytest.mark.parametrize(("kind", "client", "methods", "test"), TABLE)
def test_the_named_test_calls_them(kind: str, client: str, methods: str, test: str) -> None:
    missing = {(kind, client, method) for method in methods.split()} - _calls(test)
    assert not missing, f"{test} does not call {missing}"
