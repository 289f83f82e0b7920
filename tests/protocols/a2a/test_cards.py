"""Cards: found at the root and under each agent, complete, cacheable, and read by both versions' types."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from a2a.client.card_resolver import parse_agent_card
from a2a.compat.v0_3.types import AgentCard as LegacyCard
from a2a.utils.proto_utils import validate_proto_required_fields

from dragoman.a2a import A2aSettings
from dragoman.a2a.card_cache import CardCache
from dragoman.a2a.cards import SCHEMAS, agent_card
from dragoman.a2a.settings import API_KEY_SCHEMES
from dragoman.agents import Context, Skill, agent

from .conftest import Open

ROOT = "/.well-known/agent-card.json"


@agent(description="Refunds orders.", version="2.1.0", skills=[Skill("pay", "Pay", "Pays back.", ("money",), ("now",))])
async def refunds(ctx: Context, order: str) -> str:
    return order


@agent
async def bare(ctx: Context) -> str:
    return ""


@agent
async def structured(ctx: Context, name: str, count: int = 1) -> dict[str, int]:
    return {name: count}


CARDS = [
    agent_card(
        refunds, "https://agents.example", A2aSettings(provider="Acme", provider_url="https://acme.example")
    ).whole,
    agent_card(refunds, "https://agents.example", A2aSettings(security_schemes=API_KEY_SCHEMES)).whole,
    agent_card(bare, "http://localhost:8000", A2aSettings()).whole,
]


@pytest.mark.parametrize("card", CARDS)
@pytest.mark.requirement(
    "a2a.card.capabilities", "a2a.fields.required", "a2a.card.required-fields", "a2a.signing.presence"
)
def test_a_card_has_every_required_field_of_1_0(card: dict[str, Any]) -> None:
    parsed = parse_agent_card(deepcopy(card))  # it takes out what it has read
    validate_proto_required_fields(parsed)
    assert parsed.supported_interfaces[0].protocol_version == "1.0"
    assert parsed.capabilities.HasField("push_notifications")


@pytest.mark.parametrize("card", CARDS)
def test_a_card_is_one_of_0_3_too(card: dict[str, Any]) -> None:
    legacy = LegacyCard.model_validate(card)
    assert legacy.url == card["supportedInterfaces"][0]["url"]
    assert legacy.protocol_version == "0.3.0"


def test_a_card_tells_of_its_agent() -> None:
    card = CARDS[0]
    assert (card["name"], card["description"], card["version"]) == ("Refunds", "Refunds orders.", "2.1.0")
    assert card["supportedInterfaces"][0]["url"] == "https://agents.example/a2a/refunds"
    assert card["provider"] == {"organization": "Acme", "url": "https://acme.example"}
    assert card["skills"] == [
        {"id": "pay", "name": "Pay", "description": "Pays back.", "tags": ["money"], "examples": ["now"]}
    ]


def test_security_schemes_are_told_in_both_versions_words() -> None:
    card = CARDS[1]
    parsed = parse_agent_card(deepcopy(card))
    assert set(parsed.security_schemes) == {"bearer", "apiKey"}
    assert len(parsed.security_requirements) == 2, "any one of them will do"
    legacy = LegacyCard.model_validate(card).security_schemes or {}
    assert {name: scheme.root.type for name, scheme in legacy.items()} == {"bearer": "http", "apiKey": "apiKey"}


def test_the_public_address_wins_over_the_one_it_was_asked_by() -> None:
    cache = CardCache({"bare": bare}, A2aSettings(public_url="https://agents.example/"))
    card = cache.card("bare", "http://10.0.0.1:8000")
    assert card is not None
    assert b'"https://agents.example/a2a/bare"' in card.body
    assert b"10.0.0.1" not in card.body


def test_addresses_that_clients_make_up_do_not_fill_the_memory() -> None:
    cache = CardCache({"bare": bare}, A2aSettings())
    for n in range(2000):
        cache.card("bare", f"http://host{n}")
    assert len(cache._made) <= 256  # pyright: ignore[reportPrivateUsage]


@pytest.mark.anyio
async def test_the_default_agents_card_stands_at_the_root(open_house: Open) -> None:
    async with open_house(refunds, bare) as house:
        assert (await house.http.get(ROOT)).json()["name"] == "Refunds"
        assert (await house.http.get(f"/a2a/bare{ROOT}")).json()["name"] == "Bare"
        assert (await house.http.get(f"/a2a/refunds{ROOT}")).content == (await house.http.get(ROOT)).content
    async with open_house(refunds, bare, settings=A2aSettings(default_agent="bare")) as house:
        assert (await house.http.get(ROOT)).json()["name"] == "Bare"


@pytest.mark.anyio
async def test_a_card_names_the_address_it_was_asked_by(open_house: Open) -> None:
    async with open_house(bare) as house:
        card = (await house.http.get(ROOT, headers={"host": "desk.example:8443"})).json()
        assert card["url"] == "http://desk.example:8443/a2a/bare"


@pytest.mark.anyio
async def test_a_card_is_sent_once_and_then_confirmed(open_house: Open) -> None:
    async with open_house(refunds, bare) as house:
        first = await house.http.get(ROOT)
        assert first.headers["cache-control"] == "public, max-age=300"
        assert first.headers["content-type"] == "application/json"
        etag = first.headers["etag"]
        for told in (etag, f'"other", W/{etag}', "*"):
            again = await house.http.get(ROOT, headers={"if-none-match": told})
            assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
        assert (await house.http.get(ROOT, headers={"if-none-match": '"other"'})).status_code == 200
        assert (await house.http.get(f"/a2a/bare{ROOT}", headers={"if-none-match": etag})).status_code == 200


@pytest.mark.anyio
async def test_a_card_is_confirmed_by_its_date_where_no_tag_is_told(open_house: Open) -> None:
    async with open_house(bare) as house:
        made = (await house.http.get(ROOT)).headers["last-modified"]
        assert (await house.http.get(ROOT, headers={"if-modified-since": made})).status_code == 304
        long_ago = "Thu, 01 Jan 2015 00:00:00 GMT"
        assert (await house.http.get(ROOT, headers={"if-modified-since": long_ago})).status_code == 200
        assert (await house.http.get(ROOT, headers={"if-modified-since": "yesterday"})).status_code == 200
        both = {"if-none-match": '"other"', "if-modified-since": made}
        assert (await house.http.get(ROOT, headers=both)).status_code == 200, "the tag decides"


def test_a_card_tells_what_goes_in_and_out_and_where_to_read_more() -> None:
    settings = A2aSettings(documentation_url="https://docs.example/{agent}", icon_url="https://docs.example/icon.png")
    card = agent_card(structured, "https://a.example", settings).modern
    assert card["documentationUrl"] == "https://docs.example/structured"
    assert card["iconUrl"] == "https://docs.example/icon.png"
    assert card["defaultInputModes"] == ["text/plain", "application/json"]
    assert card["defaultOutputModes"] == ["application/json", "text/plain"]
    assert agent_card(bare, "https://a.example", settings).modern["defaultOutputModes"] == ["text/plain"]


@pytest.mark.anyio
@pytest.mark.requirement("a2a.extended-card.permitted")
async def test_the_extended_card_is_for_callers_that_the_server_asks_who_they_are(open_house: Open) -> None:
    async with open_house(structured, settings=A2aSettings(security_schemes=API_KEY_SCHEMES)) as house:
        public = (await house.http.get(ROOT)).json()
        assert public["capabilities"]["extendedAgentCard"] is True
        assert public["supportsAuthenticatedExtendedCard"] is True
        assert SCHEMAS not in str(public)
        card = await house.result("structured", "GetExtendedAgentCard")
        schemas = next(e for e in card["capabilities"]["extensions"] if e["uri"] == SCHEMAS)
        assert schemas["params"]["input"]["properties"]["count"]["type"] == "integer"
        assert card["url"] == "http://testserver/a2a/structured"
        rest = await house.http.get("/a2a/structured/extendedAgentCard", headers={"A2A-Version": "1.0"})
        assert rest.json() == card
        legacy = {"jsonrpc": "2.0", "id": 1, "method": "agent/getAuthenticatedExtendedCard"}
        told = LegacyCard.model_validate((await house.http.post("/a2a/structured", json=legacy)).json()["result"])
        assert told.name == "Structured"
        assert SCHEMAS in {e.uri for e in told.capabilities.extensions or ()}


@pytest.mark.anyio
@pytest.mark.requirement("a2a.extended-card.undeclared")
async def test_a_server_that_asks_nobody_has_no_extended_card(open_house: Open) -> None:
    async with open_house(structured) as house:
        assert (await house.http.get(ROOT)).json()["capabilities"]["extendedAgentCard"] is False
        assert (await house.error("structured", "GetExtendedAgentCard"))["code"] == -32004
        legacy = {"jsonrpc": "2.0", "id": 1, "method": "agent/getAuthenticatedExtendedCard"}
        assert (await house.http.post("/a2a/structured", json=legacy)).json()["error"]["code"] == -32007


@pytest.mark.anyio
async def test_an_agent_that_is_not_there_has_no_card(open_house: Open) -> None:
    async with open_house(refunds) as house:
        answer = await house.http.get(f"/a2a/nobody{ROOT}")
        assert answer.status_code == 404
        assert answer.json()["error"]["message"] == "There is no agent 'nobody' here; there are: refunds."
    async with open_house() as house:
        assert (await house.http.get(ROOT)).status_code == 404


@pytest.mark.anyio
async def test_a_default_agent_that_is_not_served_is_refused_at_the_start(open_house: Open) -> None:
    with pytest.raises(ValueError, match="default agent 'nobody' is none of refunds"):
        async with open_house(refunds, settings=A2aSettings(default_agent="nobody")):
            pass
