"""What A2A 1.0 demands of a server and the TCK does not test: who may call what, over each binding of a real server,
and what no other test of the face shows by itself."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncGenerator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest

from dragoman.agents import Context, InterruptKind, agent

from .bindings import BINDINGS, Binding, Refusal, connected
from .conftest import Open, a_message
from .process import DEADLINE, Process
from .served import refunds, state, texts, waiting_task

pytestmark = pytest.mark.anyio

AGENTS = '''
from dragoman.agents import Context, agent

@agent
async def desk(ctx: Context, text: str) -> str:
    """Asks, so that its tasks stay open."""
    return await ctx.ask("And then?")
'''
REQUIRED = "urn:acme:loyalty:v1"
OWN = ("GetTask", "CancelTask", "SubscribeToTask")


class Guarded:
    """A server that asks for keys and requires an extension, and the keys of callers of two tenants."""

    def __init__(self, process: Process, keys: dict[str, str]) -> None:
        self.process = process
        self.keys = keys


@pytest.fixture(scope="module")
async def guarded(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Guarded, None]:
    folder = tmp_path_factory.mktemp("guarded")
    process = Process(folder, AGENTS)
    (folder / "dragoman.toml").write_text(
        f'agents = ["agents.py"]\n[auth]\nmode = "keys"\n[a2a.extensions."{REQUIRED}"]\nrequired = true\n'
    )
    keys = {name: _key(folder, name, tenant) for name, tenant in (("ada", "acme"), ("eve", "umbrella"))}
    await process.start()
    yield Guarded(process, keys)
    process.end()


def _key(folder: Path, name: str, tenant: str) -> str:
    command = [sys.executable, "-m", "dragoman.cli", "keys", "create", name, "--tenant", tenant]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=DEADLINE)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


class Caller:
    """One who calls with a key, or without, and declares the extension, or does not."""

    def __init__(self, client: Binding, key: str = "", *, extension: bool = True) -> None:
        self._client = client
        self._headers = {"authorization": f"Bearer {key}"} if key else {}
        if extension:
            self._headers["a2a_extensions"] = REQUIRED

    async def call(self, operation: str, params: Any) -> dict[str, Any]:
        if operation == "SubscribeToTask":
            return (await anext(self._client.stream(operation, params, **self._headers)))[1]
        return await self._client.call(operation, params, **self._headers)

    async def refused(self, operation: str, params: Any) -> str:
        with pytest.raises(Refusal) as caught:
            await self.call(operation, params)
        return caught.value.reason


@pytest.fixture(params=BINDINGS)
async def client(request: pytest.FixtureRequest, guarded: Guarded) -> AsyncGenerator[Binding, None]:
    async with AsyncExitStack() as stack:
        there = guarded.process
        yield await stack.enter_async_context(connected(request.param, there.url, there.grpc, "desk"))


async def opened(caller: Caller) -> dict[str, Any]:
    task: dict[str, Any] = (await caller.call("SendMessage", {"message": a_message("hello")}))["task"]
    return task


@pytest.mark.parametrize("wrong", ["", "dgm_wrong", "shortened"])
@pytest.mark.requirement(
    "a2a.errors.unauthenticated",
    "a2a.equivalence.auth",
    "a2a.auth.every-request",
    "a2a.scope.every-operation",
    "a2a.extended-card.authenticated",
)
async def test_who_has_no_key_or_a_wrong_one_may_call_nothing(guarded: Guarded, client: Binding, wrong: str) -> None:
    key = guarded.keys["ada"][:-1] if wrong == "shortened" else wrong
    if client.name == "gRPC":
        for operation in ("GetTask", "ListTasks", "SubscribeToTask", "GetExtendedAgentCard"):
            params = {"id": "x"} if operation in OWN else {}
            assert await Caller(client, key).refused(operation, params) == "UNAUTHENTICATED"
        return
    headers = {"authorization": f"Bearer {key}"} if key else {}
    body: dict[str, Any] = {"jsonrpc": "2.0", "id": 1, "method": "ListTasks", "params": {}}
    async with httpx.AsyncClient(base_url=guarded.process.url, headers=headers) as http:
        for answer in (
            await http.post("/a2a/desk", json=body),
            await http.get("/a2a/desk/tasks"),
            await http.get("/a2a/desk/tasks/x"),
            await http.post("/a2a/desk/message:send", json={"message": a_message("hi")}),
            await http.get("/a2a/desk/extendedAgentCard"),
        ):
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"]


@pytest.mark.requirement(
    "a2a.list.own",
    "a2a.errors.hidden",
    "a2a.scope.every-operation",
    "a2a.scope.results",
    "a2a.scope.get",
    "a2a.scope.no-leak",
)
async def test_a_task_is_its_tenants_alone_over_each_binding(guarded: Guarded, client: Binding) -> None:
    ada, eve = Caller(client, guarded.keys["ada"]), Caller(client, guarded.keys["eve"])
    task = await opened(ada)
    for operation in OWN:
        assert await eve.refused(operation, {"id": task["id"]}) == await eve.refused(operation, {"id": "nobodys"})
        assert await eve.refused(operation, {"id": task["id"]}) == "TASK_NOT_FOUND"
    for params in ({}, {"contextId": task["contextId"]}):
        listed = (await eve.call("ListTasks", params)).get("tasks", [])
        assert task["id"] not in {one["id"] for one in listed}
    message = a_message("mine", taskId=task["id"])
    assert await eve.refused("SendMessage", {"message": message}) == "TASK_NOT_FOUND"
    assert (await ada.call("GetTask", {"id": task["id"]}))["status"]["state"] == "TASK_STATE_INPUT_REQUIRED"


@pytest.mark.requirement(
    "a2a.service-parameters",
    "a2a.capability.extensions",
    "a2a.extensions.unknown",
    "a2a.jsonrpc.headers",
    "a2a.grpc.metadata",
    "a2a.rest.headers",
)
async def test_an_extension_that_is_required_is_asked_for_over_each_binding(guarded: Guarded, client: Binding) -> None:
    without = Caller(client, guarded.keys["ada"], extension=False)
    for operation, params in (("SendMessage", {"message": a_message("hi")}), ("GetTask", {"id": "x"})):
        assert await without.refused(operation, params) == "EXTENSION_SUPPORT_REQUIRED"
    assert (await opened(Caller(client, guarded.keys["ada"])))["status"]["state"] == "TASK_STATE_INPUT_REQUIRED"


@pytest.mark.requirement("a2a.extended-card.authenticated", "a2a.extended-card.schemes")
async def test_the_extended_card_is_for_who_has_a_key_over_each_binding(guarded: Guarded, client: Binding) -> None:
    card = await Caller(client, guarded.keys["ada"]).call("GetExtendedAgentCard", {})
    assert {e["uri"] for e in card["capabilities"]["extensions"]} >= {REQUIRED, "urn:dragoman:a2a:schemas:v1"}


@pytest.mark.requirement("a2a.card.available", "a2a.card.interfaces", "a2a.card.addresses", "a2a.extended-card.schemes")
async def test_the_card_tells_every_binding_and_how_to_come_in_and_anyone_may_read_it(guarded: Guarded) -> None:
    async with httpx.AsyncClient(base_url=guarded.process.url) as http:
        card = (await http.get("/.well-known/agent-card.json")).json()
    modern = [i for i in card["supportedInterfaces"] if i["protocolVersion"] == "1.0"]
    assert {i["protocolBinding"] for i in modern} == {"JSONRPC", "HTTP+JSON", "GRPC"}
    assert {"bearer", "apiKey"} == set(card["securitySchemes"])
    for interface in modern:
        if interface["protocolBinding"] == "GRPC":
            async with grpc.aio.insecure_channel(interface["url"]) as channel, asyncio.timeout(DEADLINE):
                await channel.channel_ready()
        else:
            assert interface["url"].startswith(guarded.process.url)


@pytest.mark.requirement("a2a.in-task-auth.task", "a2a.in-task-auth.state", "a2a.in-task-auth.message")
async def test_a_task_that_needs_authorization_says_which_and_takes_messages_meanwhile(open_house: Open) -> None:
    @agent
    async def reads_mail(ctx: Context) -> str:
        return str(await ctx.interrupt("Sign in at the provider.", kind=InterruptKind.AUTH))

    async with open_house(reads_mail) as house:
        task = await house.send("reads_mail", {"data": {}})
        assert state(task) == "AUTH_REQUIRED"
        assert texts(task["status"]["message"]) == ["Sign in at the provider."]
        assert state(await house.send("reads_mail", "signed in", taskId=task["id"])) == "COMPLETED"


@pytest.mark.requirement("a2a.push.create", "a2a.push.get", "a2a.push.list", "a2a.push.delete")
async def test_configs_are_got_and_listed_and_deleted_twice_and_one_that_is_not_there_is_not_found(
    open_house: Open,
) -> None:
    async with open_house(refunds) as house:
        task_id = (await waiting_task(house))["id"]
        config = {"taskId": task_id, "id": "c1", "url": "https://hooks.example/a2a"}
        named = {"taskId": task_id, "id": "c1"}
        made = await house.result("refunds", "CreateTaskPushNotificationConfig", config)
        assert (made["id"], made["url"]) == ("c1", config["url"])
        assert await house.result("refunds", "GetTaskPushNotificationConfig", named) == made
        listed = await house.result("refunds", "ListTaskPushNotificationConfigs", {"taskId": task_id})
        assert listed["configs"] == [made]
        for _ in range(2):
            await house.result("refunds", "DeleteTaskPushNotificationConfig", named)
        error = await house.error("refunds", "GetTaskPushNotificationConfig", named)
        assert error["code"] == -32001


@pytest.mark.requirement("a2a.list.no-artifacts", "a2a.list.next-page-token")
async def test_every_list_says_where_it_goes_on_even_where_it_does_not(open_house: Open) -> None:
    async with open_house(refunds) as house:
        assert (await house.result("refunds", "ListTasks"))["nextPageToken"] == ""
        await waiting_task(house)
        listed = await house.result("refunds", "ListTasks")
        assert listed["nextPageToken"] == ""
        assert "artifacts" not in listed["tasks"][0]


@pytest.mark.requirement("a2a.json.camel-case", "a2a.json.enums", "a2a.json.timestamps")
async def test_json_has_camel_case_and_the_names_of_enums(open_house: Open) -> None:
    async with open_house(refunds) as house:
        task = await waiting_task(house)
        assert task["status"]["state"] == "TASK_STATE_INPUT_REQUIRED"
        assert task["status"]["message"]["role"] == "ROLE_AGENT"
        names = set(_names({k: v for k, v in task.items() if k != "status"}))
        assert names >= {"contextId", "history", "messageId"}
        assert not [name for name in names if "_" in name]
        assert json.dumps(task["status"]["timestamp"]).endswith('Z"')


def _names(told: Any) -> Iterator[str]:
    if isinstance(told, dict):
        for name, value in told.items():  # pyright: ignore[reportUnknownVariableType]
            yield name
            yield from _names(value)
    elif isinstance(told, list):
        for one in told:  # pyright: ignore[reportUnknownVariableType]
            yield from _names(one)
