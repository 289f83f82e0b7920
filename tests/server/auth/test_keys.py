"""API keys: what is kept of them, who they let in, and for how long they are remembered."""

from __future__ import annotations

import hashlib

import httpx
import pytest

from dragoman.auth import KeyGate, KeyRing, make_key
from dragoman.auth.asgi import Receive, Scope, Send
from dragoman.memory.errors import InputInvalid, LedgerBusy
from dragoman.memory.model import ApiKey

pytestmark = pytest.mark.anyio


class Table:
    """A key table that counts how often it is read."""

    def __init__(self) -> None:
        self.rows: dict[bytes, ApiKey] = {}
        self.reads = 0

    def new(self, tenant: str = "acme", subject: str = "ada") -> str:
        row, text, digest = make_key(tenant, subject, ["runs:read"])
        self.rows[digest] = row
        return text

    async def find_key(self, secret_hash: bytes) -> ApiKey | None:
        self.reads += 1
        return self.rows.get(secret_hash)


async def _who(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers who is calling."""
    caller = scope.get("dragoman.principal")
    body = b"nobody" if caller is None else f"{caller.tenant}/{caller.subject}/{','.join(caller.scopes)}".encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


def _client(table: Table, keep: float = 60.0) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(KeyGate(_who, KeyRing(table, keep)))
    return httpx.AsyncClient(transport=transport, base_url="http://testserver")


@pytest.mark.requirement("authorization.storage")
async def test_a_key_is_32_random_bytes_of_which_only_the_hash_is_kept() -> None:
    row, text, digest = make_key("acme", "ada")
    assert text.startswith(f"dg_{row.id}_")
    assert len(text.partition(f"dg_{row.id}_")[2]) == 43
    assert digest == hashlib.sha256(text.encode()).digest()
    assert text not in repr(row)
    assert text.split("_", 2)[2] not in repr(row)
    assert make_key("acme", "ada")[1] != text


@pytest.mark.requirement("elicitation.user-by-credentials")
@pytest.mark.parametrize("header", ["Authorization", "X-API-Key"])
async def test_a_key_says_who_is_calling(header: str) -> None:
    table = Table()
    key = table.new()
    async with _client(table) as client:
        answer = await client.get("/runs", headers={header: f"Bearer {key}" if header == "Authorization" else key})
    assert (answer.status_code, answer.text) == (200, "acme/ada/runs:read")


@pytest.mark.requirement("authorization.status-codes")
async def test_no_key_is_challenged_without_an_error_code() -> None:
    async with _client(Table()) as client:
        answer = await client.get("/runs")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="dragoman"'
    assert "Authorization: Bearer" in answer.json()["message"]


WRONG = [
    "Bearer dg_000000000000_" + "x" * 43,
    "Bearer x",
    "Bearer ",
    "Basic YTpi",
    "Bearer " + "x" * 20_000,
    "bearer é",
]


@pytest.mark.requirement("authorization.invalid-401", "authorization.status-codes")
@pytest.mark.parametrize("value", WRONG)
async def test_a_wrong_key_is_challenged_as_an_invalid_token_and_not_repeated(value: str) -> None:
    async with _client(Table()) as client:
        answer = await client.get("/runs", headers={b"authorization": value.encode()})
    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]
    assert value.partition(" ")[2] == "" or value.partition(" ")[2] not in answer.text.replace("unknown", "")


async def test_the_id_in_a_key_cannot_be_exchanged_for_another() -> None:
    table = Table()
    mine, other = table.new(), table.new("other", "eve")
    forged = f"{other.rpartition('_')[0][:15]}_{mine[16:]}"
    assert (len(forged), forged[16:]) == (len(mine), mine[16:])
    async with _client(table) as client:
        assert (await client.get("/runs", headers={"x-api-key": forged})).status_code == 401


async def test_text_that_cannot_be_a_key_is_not_looked_up() -> None:
    table = Table()
    async with _client(table) as client:
        for value in ("x", "dg_1_2", "dg_" + "0" * 12 + "_" + "é" * 43):
            assert (await client.get("/runs", headers={b"x-api-key": value.encode()})).status_code == 401
    assert table.reads == 0


async def test_a_valid_key_is_looked_up_once_while_it_is_remembered() -> None:
    table = Table()
    key = table.new()
    async with _client(table) as client:
        for _ in range(5):
            assert (await client.get("/runs", headers={"x-api-key": key})).status_code == 200
    assert table.reads == 1


async def test_a_revoked_key_is_refused_at_the_next_look_up() -> None:
    table = Table()
    key = table.new()
    async with _client(table, keep=0) as client:
        assert (await client.get("/runs", headers={"x-api-key": key})).status_code == 200
        table.rows.clear()
        assert (await client.get("/runs", headers={"x-api-key": key})).status_code == 401


async def test_at_most_so_many_keys_are_remembered() -> None:
    table = Table()
    ring = KeyRing(table, keep=60, size=2)
    keys = [table.new().encode() for _ in range(3)]
    for key in keys:
        assert await ring.principal(key) is not None
    assert await ring.principal(keys[2]) is not None
    assert table.reads == 3
    assert await ring.principal(keys[0]) is not None
    assert table.reads == 4


PUBLIC = [
    "/ok",
    "/healthz",
    "/readyz",
    "/.well-known/agent-card.json",
    "/.well-known/oauth-protected-resource/mcp",
    "/a2a/refunds/.well-known/agent-card.json",
]


@pytest.mark.parametrize("path", PUBLIC)
async def test_health_and_cards_are_for_everyone(path: str) -> None:
    async with _client(Table()) as client:
        assert (await client.get(path)).text == "nobody"


PRIVATE = [
    "/",
    "/ok/",
    "/okay",
    "/threads/.well-known/x",
    "/a2a/refunds",
    "/a2a/a/b/.well-known/agent-card.json",
    "/a2a/refunds/.well-known/tasks",
    "/a2a/refunds/.well-known/message:send",
    "/mcp",
    "/mcp/.well-known/x",
    "/a2a//.well-known/agent-card.json",
]


@pytest.mark.parametrize("path", PRIVATE)
async def test_everything_else_needs_a_key(path: str) -> None:
    async with _client(Table()) as client:
        assert (await client.get(path)).status_code == 401


class Away(Table):
    """A key table that is out of reach."""

    async def find_key(self, secret_hash: bytes) -> ApiKey | None:
        raise LedgerBusy("The database is out of reach.")


async def test_a_key_that_cannot_be_looked_up_now_is_not_called_wrong() -> None:
    table = Away()
    async with _client(table) as client:
        answer = await client.get("/threads", headers={"X-API-Key": table.new()})
        assert (await client.get("/ok")).text == "nobody"
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert (answer.json()["code"], answer.json()["message"]) == ("ledger_busy", "The database is out of reach.")


@pytest.mark.parametrize("path", ["/mcp", "/a2a/refunds"])
async def test_a_json_rpc_path_refuses_in_json_rpc(path: str) -> None:
    async with _client(Table()) as client:
        error = (await client.post(path, json={})).json()
    assert (error["jsonrpc"], error["id"], error["error"]["code"]) == ("2.0", None, -32600)


async def test_a_websocket_without_a_key_is_closed_before_it_opens() -> None:
    sent: list[str] = []

    async def send(message: Scope) -> None:
        sent.append(f"{message['type']} {message.get('code')}")

    async def receive() -> Scope:
        return {"type": "websocket.connect"}

    await KeyGate(_who, KeyRing(Table()))({"type": "websocket", "path": "/threads/x", "headers": []}, receive, send)
    assert sent == ["websocket.close 1008"]


@pytest.mark.parametrize("subject", ["", " ", "a\nb", "\x1b[2J"])
def test_a_key_of_nobody_is_not_made(subject: str) -> None:
    with pytest.raises(InputInvalid, match="not empty and can be printed"):
        make_key("acme", subject)
