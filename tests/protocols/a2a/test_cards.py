"""Cards: found at the root and under each agent, complete, cacheable, and read by both versions' types."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from a2a.client.card_resolver import parse_agent_card
from a2a.compat.v0_3.types import AgentCard as LegacyCard
from a2a.utils.proto_utils import validate_proto_required_fields

from dragoman.a2a import A2aSettings
from dragoman.a2a.cards import CardCache, agent_card
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


CARDS = [
    agent_card(refunds, "https://agents.example", A2aSettings(provider="Acme", provider_url="https://acme.example")),
    agent_card(refunds, "https://agents.example", A2aSettings(security_schemes=API_KEY_SCHEMES)),
    agent_card(bare, "http://localhost:8000", A2aSettings()),
]


@pytest.mark.parametrize("card", CARDS)
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
    parsed = parse_agent_card(agent_card(refunds, "https://a.example", A2aSettings(security_schemes=API_KEY_SCHEMES)))
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
