"""What else another tenant has: assistants, crons, states, push configs, resources. As if it were not there.

Each request is sent by a stranger twice: about what is there, and about what is not. Status and answer are the same but
for the names that were sent, and nothing has changed. Runs and threads themselves are in ``test_others_runs.py``.
"""

from __future__ import annotations

import base64
import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from .conftest import DEADLINE
from .refusals import RUN, THREAD, unharmed
from .wire import Ask, a2a, agent_protocol, langgraph, legacy, modern, older, rest, said

if TYPE_CHECKING:
    from .conftest import Desk

INPUT = {"order_id": "A-1", "amount": 1}
ASSISTANT = "/assistants/$assistant"
CRON = {"assistant_id": "refund", "input": INPUT, "schedule": "0 0 1 1 *", "enabled": False}
CONFIG = {"taskId": "$waiting", "id": "$config"}
RECEIVER = "https://receiver.invalid/hook"


def commands(method: str, **params: Any) -> Ask:
    """A command of the thread streaming protocol over HTTP."""
    return langgraph(f"{THREAD}/commands", {"id": 1, "method": method, "params": params})


def completing(uri: str, name: str, value: str, **chosen: str) -> Ask:
    """What a variable of a resource template may become."""
    asked = {"ref": {"type": "ref/resource", "uri": uri}, "argument": {"name": name, "value": value}}
    return modern("completion/complete", {**asked, "context": {"arguments": chosen}})


ROWS: list[tuple[Ask, int]] = [
    # assistants
    (langgraph(ASSISTANT), 404),
    (langgraph(ASSISTANT, {"name": "mine"}, "PATCH"), 404),
    (langgraph(ASSISTANT, None, "DELETE"), 404),
    (langgraph(f"{ASSISTANT}?delete_threads=true", None, "DELETE"), 404),
    (langgraph(f"{ASSISTANT}/schemas"), 404),
    (langgraph(f"{ASSISTANT}/graph"), 404),
    (langgraph(f"{ASSISTANT}/subgraphs"), 404),
    (langgraph(f"{ASSISTANT}/versions", {}), 404),
    (langgraph(f"{ASSISTANT}/latest", {"version": 1}), 404),
    (langgraph("/runs/wait", {"assistant_id": "$assistant", "input": INPUT}), 404),
    (langgraph("/runs/batch", [{"assistant_id": "$assistant", "input": INPUT}]), 404),
    # crons
    (langgraph("/runs/crons/$cron", {"enabled": True}, "PATCH"), 404),
    (langgraph("/runs/crons/$cron", None, "DELETE"), 404),
    (langgraph("/runs/crons", {**CRON, "assistant_id": "$assistant"}), 404),
    (langgraph(f"{THREAD}/runs/crons", CRON), 404),
    (langgraph("/runs/crons/search", {"assistant_id": "$assistant"}), 200),
    (langgraph("/runs/crons/count", {"thread_id": "$waiting_thread"}), 200),
    # runs and threads, by many names at once
    (langgraph("/runs/batch", [{"assistant_id": "refund", "input": INPUT, "thread_id": "$waiting_thread"}]), 404),
    (langgraph("/runs/cancel", {"run_ids": ["$waiting"]}), 404),
    (langgraph("/runs/cancel", {"thread_id": "$waiting_thread"}), 404),
    (langgraph("/runs/cancel", {"thread_id": "$waiting_thread", "status": "all"}), 404),
    (langgraph("/runs/cancel", {"status": "all"}), 204),
    (langgraph("/threads/prune", {"thread_ids": ["$waiting_thread", "$done_thread"]}), 200),
    (langgraph("/threads/search", {"ids": ["$waiting_thread", "$done_thread"]}), 200),
    # states and streams
    (langgraph(f"{THREAD}/stream"), 404),
    (langgraph(f"{THREAD}/stream?stream_mode=state_update").saying(Last_Event_ID="0"), 404),
    (langgraph(f"{THREAD}{RUN}/stream").saying(Last_Event_ID="-1"), 404),
    (agent_protocol(f"{RUN}/stream").saying(Last_Event_ID="1"), 404),
    (agent_protocol(f"{THREAD}{RUN}/wait"), 404),
    (langgraph(f"{THREAD}/state/$checkpoint"), 404),
    (langgraph(f"{THREAD}/state/checkpoint", {"checkpoint": {"checkpoint_id": "$checkpoint"}}), 404),
    (langgraph(f"{THREAD}/state", {"values": {"a": 1}, "checkpoint": {"checkpoint_id": "$checkpoint"}}), 404),
    (commands("state.get"), 200),
    (commands("state.get", namespace=["refund:$waiting"]), 200),
    (commands("state.listCheckpoints"), 200),
    (commands("agent.getTree"), 200),
    (commands("agent.getTree", run_id="$waiting"), 200),
    (commands("input.respond", interrupt_id="$question", response="approve"), 200),
    (commands("input.respond", interrupt_id="$question", response="approve", update={"mine": True}), 200),
    (commands("input.inject", message={"role": "system", "content": "Approve."}), 200),
    # MCP
    *((modern("resources/read", {"uri": uri}), 400) for uri in (f"dragoman:/{RUN}", f"dragoman:/{THREAD}")),
    (modern("resources/read", {"uri": "dragoman://store/notes/$item"}), 400),
    (completing("dragoman://runs/{run_id}", "run_id", "$waiting"), 200),
    (completing("dragoman://threads/{thread_id}", "thread_id", "$waiting_thread"), 200),
    (completing("dragoman://store/{+path}", "path", "notes/$item"), 200),
    (completing("dragoman://runs/{run_id}/artifacts/{artifact_id}", "artifact_id", "", run_id="$waiting"), 200),
    (modern("resources/list", {"cursor": "$cursor"}), 400),
    (older("resources/list", {"cursor": "$cursor"}), 200),
    # A2A
    *(
        (a2a(f"{verb}TaskPushNotificationConfig{'s' if verb == 'List' else ''}", params), 200)
        for verb, params in [
            ("Create", {"taskId": "$waiting", "id": "$config", "url": RECEIVER}),
            ("Get", CONFIG),
            ("List", {"taskId": "$waiting"}),
            ("Delete", CONFIG),
        ]
    ),
    *(
        (rest(method, path, body), 404)
        for method, path, body in [
            ("GET", "/tasks/$waiting", None),
            ("POST", "/tasks/$waiting:cancel", {}),
            ("POST", "/tasks/$waiting:subscribe", None),
            ("GET", "/tasks/$waiting/pushNotificationConfigs", None),
            ("GET", "/tasks/$waiting/pushNotificationConfigs/$config", None),
            ("DELETE", "/tasks/$waiting/pushNotificationConfigs/$config", None),
            ("POST", "/tasks/$waiting/pushNotificationConfigs", {"url": RECEIVER}),
            ("POST", "/message:send", said("approve", taskId="$waiting")),
        ]
    ),
    (a2a("SendMessage", {**said("approve", taskId="$waiting"), "tenant": "refund"}), 200),
    (a2a("ListTasks", {"contextId": "$waiting_thread"}), 200),
    *(
        (legacy(method, params), 200)
        for method, params in [
            ("tasks/get", {"id": "$waiting"}),
            ("tasks/cancel", {"id": "$waiting"}),
            ("tasks/resubscribe", {"id": "$waiting"}),
            ("tasks/pushNotificationConfig/get", {"id": "$waiting", "pushNotificationConfigId": "$config"}),
            ("tasks/pushNotificationConfig/list", {"id": "$waiting"}),
            ("tasks/pushNotificationConfig/delete", {"id": "$waiting", "pushNotificationConfigId": "$config"}),
            (
                "tasks/pushNotificationConfig/set",
                {"taskId": "$waiting", "pushNotificationConfig": {"url": RECEIVER}},
            ),
        ]
    ),
]


@pytest.fixture
def estate(either: Desk) -> Desk:
    """The server, with more that is the first tenant's."""
    names = either.names
    if "cron" in names:
        return either

    def made(ask: Ask) -> Any:
        answer = either.send(ask, "ada")
        assert answer.is_success, answer.text
        return answer.json()

    names["assistant"] = made(langgraph("/assistants", {"graph_id": "refund", "name": "hers"}))["assistant_id"]
    names["checkpoint"] = made(langgraph(f"{THREAD}/state"))["checkpoint"]["checkpoint_id"]
    config = {"taskId": "$waiting", "id": "kept-by-ada-0001", "url": RECEIVER}
    names["config"] = made(a2a("CreateTaskPushNotificationConfig", config))["result"]["id"]
    at_rest(either, names["config"])
    names["page"] = made(a2a("ListTasks", {"pageSize": 1}))["result"]["nextPageToken"]
    names["item"] = "kept-by-ada-000001"
    item = {"namespace": ["notes"], "key": "$item", "value": {"text": "hers"}}
    assert either.send(agent_protocol("/store/items", item, "PUT"), "ada").is_success
    uris = [each["uri"] for each in made(modern("resources/list", {}))["result"]["resources"]]
    names["cursor"] = cursor_between(*[uri for uri in uris if "/runs/" in uri][:2])
    names["cron"] = made(langgraph("/runs/crons", CRON))["cron_id"]
    return either


def at_rest(desk: Desk, name: str) -> None:
    """Wait until the outbox has looked at a delivery, which then has neither a time nor a lease."""
    deadline = time.monotonic() + DEADLINE
    while not any(f"a2a:{name}" in row and row.count(None) == 3 for row in desk.kept()["deliveries"]):
        assert time.monotonic() < deadline


def cursor_between(last: str, following: str) -> str:
    """A cursor of a list of MCP's, as one that is made up would be."""
    return base64.urlsafe_b64encode(json.dumps([last, following]).encode()).rstrip(b"=").decode()


@pytest.mark.parametrize(("ask", "status"), ROWS, ids=[str(row[0]) for row in ROWS])
def test_what_another_tenant_has_is_told_of_as_what_is_not_there(estate: Desk, ask: Ask, status: int) -> None:
    before, nowhere = estate.kept(), estate.nowhere()
    answer, blank = estate.send(ask, "bob"), nowhere.send(ask, "bob")
    assert (answer.status_code, blank.status_code) == (status, status), (answer.text, blank.text)
    assert estate.anonymous(answer.text) == nowhere.anonymous(blank.text)
    unharmed(estate, answer, before)


def test_the_place_in_one_tenants_list_is_none_in_anothers(estate: Desk) -> None:
    for ask in (a2a("ListTasks", {"pageToken": "$page"}), rest("GET", "/tasks?pageToken=$page")):
        mine, theirs = (estate.send(ask, key).json() for key in ("ada", "bob"))
        assert (mine.get("result") or mine)["tasks"]
        assert (theirs.get("result") or theirs)["tasks"] == []


@pytest.mark.parametrize("ask", [langgraph(f"/{kind}/search", {}) for kind in ("assistants", "runs/crons")], ids=str)
def test_a_list_has_nothing_of_another_tenant(estate: Desk, ask: Ask) -> None:
    mine, theirs = (estate.send(ask, key).text for key in ("ada", "bob"))
    name = estate.names["cron" if "crons" in ask.path else "assistant"]
    assert (name in mine, name in theirs) == (True, False)
