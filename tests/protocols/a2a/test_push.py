"""Push notifications (A2A 1.0, section 4.3): configs are kept with the task, and its updates come to who asked."""

from __future__ import annotations

import hashlib
import json
import logging
import socket
from pathlib import Path
from typing import Any, cast

import jwt
import pytest
from a2a.compat.v0_3 import types as types_v03
from a2a.types import a2a_pb2 as pb
from google.protobuf.json_format import ParseDict
from tests.engine.receiver import Answer, Received, receiver

from dragoman.a2a import A2aSettings
from dragoman.agents import Context, agent
from dragoman.auth.egress import Egress
from dragoman.engine.outgoing import OutboxSettings, Outgoing
from dragoman.memory.model import Principal

from .conftest import House, Open, a_message
from .served import echo, refunds, state, waiting_task

pytestmark = pytest.mark.anyio

QUICK = Outgoing(OutboxSettings(backoff=0.01, backoff_limit=0.05, linger=0.2, per_run=3), Egress(["127.0.0.1"]))
SECRETS = {"token": "hush-token", "authentication": {"scheme": "Bearer", "credentials": "hush-credentials"}}
STRANGER = {"x-caller": "umbrella/eve"}


@agent
async def tells(ctx: Context, text: str) -> str:
    await ctx.stream_text("one ")
    await ctx.progress(0.5, message="half")
    await ctx.stream_text("two")
    return "one two"


def configured(url: str, **config: Any) -> dict[str, Any]:
    return {"taskPushNotificationConfig": {"url": url, **config}}


def kinds(got: list[Received]) -> list[str]:
    return [next(iter(each.told)) for each in got]


def said(each: Received) -> str:
    return state(each.told["statusUpdate"])


async def finish(house: House, task: dict[str, Any]) -> None:
    await house.send("refunds", {"data": {"approved": True}}, taskId=task["id"])


async def test_a_config_that_comes_with_the_message_is_told_the_whole_task_as_a_stream_is(open_house: Open) -> None:
    async with open_house(tells, outgoing=QUICK, real=True) as house, receiver() as there:
        sent = {"message": a_message("go"), "configuration": configured(there.url, id="c1")}
        updates = [update async for _, update in house.stream("tells", "SendStreamingMessage", sent)]
        got = await there.wait(len(updates))
        assert [each.told for each in got[1:]] == updates[1:]  # the first of the stream is the Task, at work already
        assert {each.headers["content-type"] for each in got} == {"application/json"}
        for each in got:
            ParseDict(each.told, pb.StreamResponse())
        assert said(got[0]) == "WORKING"
        assert said(got[-1]) == "COMPLETED"


async def test_a_blocking_message_is_told_of_too(open_house: Open) -> None:
    async with open_house(echo, outgoing=QUICK) as house, receiver() as there:
        sent = {"message": a_message("hi"), "configuration": configured(there.url)}
        task = (await house.result("echo", "SendMessage", sent))["task"]
        got = await there.wait(3)
        assert kinds(got) == ["statusUpdate", "artifactUpdate", "statusUpdate"]
        assert {each.told[kind]["taskId"] for each, kind in zip(got, kinds(got), strict=True)} == {task["id"]}
        config = await house.result("echo", "GetTaskPushNotificationConfig", {"taskId": task["id"], "id": task["id"]})
        assert config == {"id": task["id"], "taskId": task["id"], "url": there.url}


@pytest.mark.requirement("a2a.push.create")
async def test_a_config_that_comes_later_is_told_what_happens_then(open_house: Open) -> None:
    async with open_house(refunds, outgoing=QUICK) as house, receiver() as there:
        task = await waiting_task(house)
        config = {"taskId": task["id"], "id": "c1", "url": there.url}
        assert await house.result("refunds", "CreateTaskPushNotificationConfig", config) == config
        await finish(house, task)
        got = await there.wait(4)
        assert kinds(got) == ["statusUpdate", "artifactUpdate", "artifactUpdate", "statusUpdate"]
        assert (said(got[0]), said(got[-1])) == ("WORKING", "COMPLETED")


async def test_a_config_that_comes_with_an_answer_is_told_what_follows_it(open_house: Open) -> None:
    async with open_house(refunds, outgoing=QUICK) as house, receiver() as there:
        task = await waiting_task(house)
        answer = a_message({"data": {"approved": True}}, taskId=task["id"])
        await house.result("refunds", "SendMessage", {"message": answer, "configuration": configured(there.url)})
        assert said((await there.wait(4))[-1]) == "COMPLETED"


async def test_configs_are_kept_listed_in_pages_replaced_and_deleted(open_house: Open) -> None:
    async with open_house(refunds, outgoing=QUICK) as house:
        task_id = (await waiting_task(house))["id"]
        for name in ("a", "b"):
            given = {"taskId": task_id, "id": name, "url": f"http://127.0.0.1/{name}"}
            await house.result("refunds", "CreateTaskPushNotificationConfig", given)
        made = await house.result(
            "refunds", "CreateTaskPushNotificationConfig", {"taskId": task_id, "url": "http://127.0.0.1/c"}
        )
        assert made["id"]
        page = await house.result("refunds", "ListTaskPushNotificationConfigs", {"taskId": task_id, "pageSize": 2})
        assert [config["id"] for config in page["configs"]] == ["a", "b"]
        more = {"taskId": task_id, "pageToken": page["nextPageToken"]}
        page = await house.result("refunds", "ListTaskPushNotificationConfigs", more)
        assert ([config["id"] for config in page["configs"]], page["nextPageToken"]) == ([made["id"]], "")
        named = {"taskId": task_id, "id": "a"}
        await house.result("refunds", "CreateTaskPushNotificationConfig", {**named, "url": "http://127.0.0.1/new"})
        found = await house.result("refunds", "GetTaskPushNotificationConfig", named)
        assert found["url"] == "http://127.0.0.1/new"
        for _ in range(2):
            assert await house.result("refunds", "DeleteTaskPushNotificationConfig", named) == {}
        error = await house.error("refunds", "GetTaskPushNotificationConfig", named)
        assert error["code"] == -32001


async def test_a_task_has_no_more_than_so_many_configs(open_house: Open) -> None:
    async with open_house(refunds, outgoing=QUICK) as house:
        task_id = (await waiting_task(house))["id"]
        given = {"taskId": task_id, "url": "http://127.0.0.1/"}
        for _ in range(3):
            await house.result("refunds", "CreateTaskPushNotificationConfig", given)
        error = await house.error("refunds", "CreateTaskPushNotificationConfig", given)
        assert "no more than 3" in error["message"]


@pytest.mark.parametrize("verb", ["Create", "Get", "Delete", "List"])
async def test_another_tenants_task_has_no_configs(open_house: Open, verb: str) -> None:
    async with open_house(refunds, outgoing=QUICK) as house:
        task_id = (await waiting_task(house))["id"]
        config = {"taskId": task_id, "id": "c1", "url": "http://127.0.0.1/"}
        await house.result("refunds", "CreateTaskPushNotificationConfig", config)
        method = f"{verb}TaskPushNotificationConfig" + ("s" if verb == "List" else "")
        error = await house.error("refunds", method, config, headers=STRANGER)
        assert error["code"] == -32001
        assert await house.result("refunds", "GetTaskPushNotificationConfig", {"taskId": task_id, "id": "c1"}) == config


@pytest.mark.requirement("a2a.push.credentials")
async def test_secrets_are_sent_to_the_receiver_and_told_to_nobody_else(
    open_house: Open, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with (
        open_house(refunds, outgoing=QUICK) as house,
        receiver(lambda n: Answer(500 if n == 0 else 200)) as there,
    ):
        task = await waiting_task(house)
        given = {"taskId": task["id"], "id": "c1", "url": there.url, **SECRETS}
        told = [
            await house.result("refunds", "CreateTaskPushNotificationConfig", given),
            await house.result("refunds", "GetTaskPushNotificationConfig", {"taskId": task["id"], "id": "c1"}),
            await house.result("refunds", "ListTaskPushNotificationConfigs", {"taskId": task["id"]}),
            await house.result("refunds", "GetTask", {"id": task["id"]}),
        ]
        assert told[0]["authentication"] == {"scheme": "Bearer"}
        await finish(house, task)
        for each in await there.wait(2):
            assert each.headers["authorization"] == "Bearer hush-credentials"
            assert each.headers["x-a2a-notification-token"] == each.headers["a2a-notification-token"] == "hush-token"
        assert "hush" not in json.dumps(told)
        assert "hush" not in caplog.text
        assert "attempt 1 of" in caplog.text


@pytest.mark.parametrize(
    ("config", "field", "says"),
    [
        ({"url": "http://10.0.0.1/"}, "url", "not public"),
        ({"url": "http://93.184.216.34/"}, "url", "https://"),
        ({"url": "https://169.254.169.254/latest"}, "url", "not public"),
        ({"url": "https://[::ffff:10.0.0.1]/"}, "url", "not public"),
        ({"url": ""}, "url", "is required"),
        ({"url": 5}, "url", "must be a string"),
        ({"id": "a/b"}, "id", "slashes"),
        ({"token": "a\r\nx: y"}, "token", "printable ASCII"),
        ({"authentication": {"credentials": "x"}}, "authentication.scheme", "is required"),
        ({"authentication": {"scheme": "Be arer"}}, "authentication.scheme", "is required"),
        ({"authentication": {"scheme": "Bearer", "credentials": "a\nb"}}, "authentication.credentials", "printable"),
        ({"authentication": "Bearer"}, "authentication", "must be an object"),
    ],
)
async def test_what_cannot_be_sent_to_is_refused_by_its_field_and_opens_no_task(
    open_house: Open, config: dict[str, Any], field: str, says: str
) -> None:
    async with open_house(echo, outgoing=QUICK) as house:
        sent = {"message": a_message("hi"), "configuration": configured("http://127.0.0.1/")}
        sent["configuration"]["taskPushNotificationConfig"] |= config
        error = await house.error("echo", "SendMessage", sent)
        assert (error["code"], says in error["message"]) == (-32602, True), error
        violation = error["data"][1]["fieldViolations"][0]
        assert violation["field"] == f"configuration.taskPushNotificationConfig.{field}"
        assert await house.runs() == 0


async def test_a_message_sent_twice_has_one_task_and_is_told_once(open_house: Open) -> None:
    async with open_house(echo, outgoing=QUICK) as house, receiver() as there:
        sent = {"message": a_message("hi"), "configuration": configured(there.url)}
        first = (await house.result("echo", "SendMessage", sent))["task"]
        again = (await house.result("echo", "SendMessage", sent))["task"]
        assert first["id"] == again["id"]
        await there.wait(3)
        assert len({each.id for each in there.got}) == len(there.got) == 3


async def test_the_rest_binding_has_the_same_configs(open_house: Open) -> None:
    async with open_house(refunds, outgoing=QUICK) as house:
        task_id = (await waiting_task(house))["id"]
        at, version = f"/a2a/refunds/tasks/{task_id}/pushNotificationConfigs", {"A2A-Version": "1.0"}
        given = {"id": "c1", "url": "http://127.0.0.1/", **SECRETS}
        made = await house.http.post(at, json=given, headers=version)
        kept = {
            "id": "c1",
            "taskId": task_id,
            "url": "http://127.0.0.1/",
            "authentication": {"scheme": "Bearer"},
        }
        assert (made.status_code, made.json()) == (200, kept)
        assert (await house.http.get(f"{at}/c1", headers=version)).json() == kept
        listed = await house.http.get(f"{at}?pageSize=1", headers=version)
        assert listed.json() == {"configs": [kept], "nextPageToken": ""}
        gone = await house.http.delete(f"{at}/c1", headers=version)
        assert (gone.status_code, gone.json()) == (200, {})
        missing = await house.http.get(f"{at}/c1", headers=version)
        assert missing.status_code == 404


async def test_the_grpc_binding_has_the_same_configs(open_house: Open) -> None:
    grpc_aio = pytest.importorskip("grpc.aio")
    from a2a.types.a2a_pb2_grpc import A2AServiceStub

    from dragoman.a2a.grpc_server import serve_grpc
    from dragoman.auth.asgi import Headers

    async def caller(headers: Headers) -> Principal:
        return Principal("default", "local")

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    async with open_house(refunds, outgoing=QUICK) as house, receiver() as there:
        settings = A2aSettings(grpc_port=port)
        async with (
            serve_grpc(house.engine, settings, caller, host="127.0.0.1"),
            grpc_aio.insecure_channel(f"127.0.0.1:{port}") as channel,
        ):
            stub: Any = cast(Any, A2AServiceStub)(channel)
            told = {"metadata": (("a2a-version", "1.0"),)}
            order = {
                "message": a_message({"data": {"order": "o1", "amount": 5}}),
                "configuration": configured(there.url),
            }
            task = (await stub.SendMessage(ParseDict(order, pb.SendMessageRequest()), **told)).task
            config = pb.TaskPushNotificationConfig(task_id=task.id, id="c1", url="http://127.0.0.1/", token="hush")
            kept = await stub.CreateTaskPushNotificationConfig(config, **told)
            assert (kept.id, kept.url, kept.token) == ("c1", "http://127.0.0.1/", "")
            named = pb.GetTaskPushNotificationConfigRequest(task_id=task.id, id="c1")
            assert await stub.GetTaskPushNotificationConfig(named, **told) == kept
            listed = pb.ListTaskPushNotificationConfigsRequest(task_id=task.id)
            found = (await stub.ListTaskPushNotificationConfigs(listed, **told)).configs
            assert [each.id for each in found] == [task.id, "c1"]
            gone = pb.DeleteTaskPushNotificationConfigRequest(task_id=task.id, id="c1")
            await stub.DeleteTaskPushNotificationConfig(gone, **told)
            with pytest.raises(grpc_aio.AioRpcError, match="no push notification config"):
                await stub.GetTaskPushNotificationConfig(named, **told)
            got = await there.wait(2)
            assert [said(each) for each in got] == ["WORKING", "INPUT_REQUIRED"]


async def test_the_card_says_that_there_are_push_notifications(open_house: Open) -> None:
    async with open_house(echo) as house:
        card = (await house.http.get("/.well-known/agent-card.json")).json()
        assert card["capabilities"]["pushNotifications"] is True


def verified(token: str, key_set: dict[str, Any], audience: str) -> dict[str, Any]:
    """The claims of a token, as a receiver checks it with the published keys."""
    header = jwt.get_unverified_header(token)
    assert (header["alg"], header["typ"]) == ("ES256", "JWT")
    (key,) = [key for key in jwt.PyJWKSet.from_dict(key_set).keys if key.key_id == header["kid"]]
    return jwt.decode(token, key, algorithms=["ES256"], audience=audience)


async def test_without_credentials_of_its_own_a_receiver_is_shown_a_token_signed_with_the_cards_keys(
    open_house: Open, tmp_path: Path
) -> None:
    settings = A2aSettings(public_url="https://agents.example", signing_key=tmp_path / "keys.json")
    async with open_house(echo, outgoing=QUICK, settings=settings) as house, receiver() as there:
        sent = {"message": a_message("hi"), "configuration": configured(there.url)}
        task = (await house.result("echo", "SendMessage", sent))["task"]
        key_set = (await house.http.get("/.well-known/jwks.json")).json()
        for each in await there.wait(3):
            scheme, token = each.headers["authorization"].split(" ")
            claims = verified(token, key_set, there.url)
            assert (scheme, claims["sub"], claims["aud"]) == ("Bearer", task["id"], there.url)
            assert claims["iss"] == "https://agents.example"
            assert claims["request_body_sha256"] == hashlib.sha256(each.body).hexdigest()
            assert claims["exp"] > claims["iat"]
        assert len({verified(e.headers["authorization"][7:], key_set, there.url)["jti"] for e in there.got}) == 3


# -- A2A 0.3 ----------------------------------------------------------------------------------------------------------
async def old(house: House, method: str, params: Any) -> Any:
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    return (await house.http.post("/a2a/refunds", json=body)).json()


async def test_a_0_3_clients_configs_are_set_got_listed_and_deleted(open_house: Open) -> None:
    async with open_house(refunds, outgoing=QUICK) as house:
        task_id = (await waiting_task(house))["id"]
        given = {"taskId": task_id, "pushNotificationConfig": {"url": "http://127.0.0.1/", "token": "hush"}}
        told = (await old(house, "tasks/pushNotificationConfig/set", given))["result"]
        kept = {"taskId": task_id, "pushNotificationConfig": {"url": "http://127.0.0.1/", "id": task_id}}
        assert told == kept
        assert (await old(house, "tasks/pushNotificationConfig/get", {"id": task_id}))["result"] == kept
        assert (await old(house, "tasks/pushNotificationConfig/list", {"id": task_id}))["result"] == [kept]
        named = {"id": task_id, "pushNotificationConfigId": task_id}
        assert (await old(house, "tasks/pushNotificationConfig/get", named))["result"] == kept
        assert "error" not in await old(house, "tasks/pushNotificationConfig/delete", named)
        assert (await old(house, "tasks/pushNotificationConfig/get", {"id": task_id}))["error"]["code"] == -32001


async def test_a_0_3_receiver_is_sent_the_task_at_each_change_of_its_status(open_house: Open) -> None:
    async with open_house(refunds, outgoing=QUICK) as house, receiver() as there:
        message = {
            "kind": "message",
            "messageId": "m-old",
            "role": "user",
            "parts": [{"kind": "data", "data": {"order": "o1", "amount": 5}}],
        }
        config = {"url": there.url, "token": "hush"}
        sent = {"message": message, "configuration": {"pushNotificationConfig": config}}
        task = (await old(house, "message/send", sent))["result"]
        await finish(house, task)
        got = await there.wait(4)
        tasks = [types_v03.Task.model_validate(each.told) for each in got]
        assert [each.status.state.value for each in tasks] == ["working", "input-required", "working", "completed"]
        assert {each.id for each in tasks} == {task["id"]}
        assert len(tasks[-1].artifacts or []) == 2
        assert got[0].headers["x-a2a-notification-token"] == "hush"
