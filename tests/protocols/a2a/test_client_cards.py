"""Cards of peers and where they lead: signatures, credentials, and addresses that are not called."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from dragoman.a2a import A2aSettings, keyfile
from dragoman.a2a.client import A2aPeers
from dragoman.a2a.client_settings import PeerSettings
from dragoman.agents import RemoteUnusable
from dragoman.agents.remote import RemoteMessage
from dragoman.auth.egress import Egress

from .calling import HERE, cards, interface, told_of
from .conftest import Open
from .served import echo

pytestmark = pytest.mark.anyio


def _keys(path: Path) -> list[dict[str, Any]]:
    return [keyfile.public_half(key) for key in keyfile.load(path)]


async def test_a_card_is_called_when_a_known_key_signed_it_and_not_otherwise(open_house: Open, tmp_path: Path) -> None:
    signing, other = tmp_path / "keys.json", tmp_path / "other.json"
    async with open_house(echo, settings=A2aSettings(signing_key=signing), real=True) as house:
        url = f"{house.url}/a2a/echo"

        async def calls(**more: Any) -> str:
            peers = A2aPeers([PeerSettings("peer", url, **more)], HERE)
            return (await told_of(peers, url, RemoteMessage("m1", "hi")))[-1].task.text

        assert await calls(keys=_keys(signing)) == "you said hi"
        assert await calls(keys_url=f"{house.url}/.well-known/jwks.json") == "you said hi"
        with pytest.raises(RemoteUnusable, match=r"has no signature by a key that \[peers\] peer names"):
            await calls(keys=_keys(other))
        keyfile.rotate(other)
        with pytest.raises(RemoteUnusable, match="has no signature by a key"):
            await calls(keys=[{**key, "kid": _keys(signing)[0]["kid"]} for key in _keys(other)])
        assert await house.runs() == 1
    async with open_house(echo, real=True) as house:
        url = f"{house.url}/a2a/echo"
        with pytest.raises(RemoteUnusable, match="is not signed, and must be by a key that"):
            await calls(keys=_keys(signing))


async def test_a_card_that_was_changed_after_it_was_signed_is_not_called(open_house: Open, tmp_path: Path) -> None:
    signing = tmp_path / "keys.json"
    signed = A2aSettings(signing_key=signing)
    async with open_house(echo, settings=signed, real=True) as house, cards(house, name="Someone else") as url:
        peers = A2aPeers([PeerSettings("p", url, keys=_keys(signing))], HERE)
        with pytest.raises(RemoteUnusable, match="has no signature by a key"):
            await told_of(peers, "p", RemoteMessage("m", "x"))


async def test_a_credential_goes_to_the_peer_and_to_no_other_host(open_house: Open) -> None:
    seen: list[Mapping[str, str]] = []
    bearer = {"Authorization": "Bearer s3cret"}
    async with open_house(echo, real=True) as house, cards(house, seen) as url:
        peers = A2aPeers([PeerSettings("p", url, headers=bearer)], HERE)
        await told_of(peers, url, RemoteMessage("m", "x"))
        assert seen[-1]["authorization" if "authorization" in seen[-1] else "Authorization"] == "Bearer s3cret"
        elsewhere = [interface("1.0", url="http://elsewhere.example/a2a")]
        async with cards(house, supportedInterfaces=elsewhere) as other:
            peers = A2aPeers([PeerSettings("p", other, headers=bearer)], HERE)
            with pytest.raises(RemoteUnusable, match=r"another host \(elsewhere\.example\)") as caught:
                await told_of(peers, other, RemoteMessage("m", "x"))
    assert "s3cret" not in str(caught.value) + repr(peers._peers)  # pyright: ignore[reportPrivateUsage]


async def test_an_address_inside_is_not_called_unless_the_operator_allows_it(open_house: Open) -> None:
    async with open_house(echo, real=True) as house:
        with pytest.raises(RemoteUnusable, match=r"not public .* \[egress\] allow"):
            await told_of(A2aPeers([], Egress()), f"{house.url}/a2a/echo", RemoteMessage("m", "x"))
        inside = [interface("1.0", url="http://169.254.169.254/latest")]
        async with cards(house, supportedInterfaces=inside) as url:
            with pytest.raises(RemoteUnusable, match="not public"):
                await told_of(A2aPeers([], HERE), url, RemoteMessage("m", "x"))
