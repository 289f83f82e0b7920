"""Where this server may call, whatever an address is dressed as."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.auth.egress import Egress, EgressRefused, Resolver, Unresolved, is_public, parse_allowed, resolve

pytestmark = pytest.mark.anyio

PUBLIC = "93.184.216.34"
INSIDE = [
    "127.0.0.1",
    "127.255.255.254",
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "100.100.100.200",  # Alibaba's metadata
    "168.63.129.16",  # Azure's platform
    "169.254.169.254",  # metadata of most clouds
    "169.254.170.2",  # of Amazon's containers
    "172.16.0.1",
    "192.0.0.192",  # Oracle's metadata
    "192.0.2.1",
    "192.168.1.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",
    "::ffff:127.0.0.1",
    "::ffff:a9fe:a9fe",
    "64:ff9b::127.0.0.1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "2001::1",  # Teredo
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::1",
    "3fff::1",
    "fc00::1",
    "fd00:ec2::254",  # Amazon's metadata
    "fe80::1",
    "fe80::1%2",
    "fec0::1",
    "ff02::1",
]


def answering(*addresses: str) -> Resolver:
    async def answer(host: str, port: int) -> Sequence[str]:
        return addresses

    return answer


async def found(egress: Egress, url: str) -> list[str]:
    return await egress.addresses(httpx.URL(url))


@pytest.mark.parametrize("address", INSIDE)
async def test_an_address_inside_is_refused_by_number_and_by_name(address: str) -> None:
    literal = f"[{address}]" if ":" in address else address
    if "%" not in address:
        with pytest.raises(EgressRefused, match="not public"):
            await Egress().vet(f"https://{literal}/hook")
    with pytest.raises(EgressRefused, match="not public"):
        await Egress(resolver=answering(address)).vet("https://hooks.example/hook")


@pytest.mark.parametrize(
    "host",
    ["2130706433", "0x7f000001", "017700000001", "0177.0.0.1", "0x7f.1", "127.1", "0", "127.0.0.1.", "localhost"],
)
async def test_numbers_in_odd_spellings_are_judged_as_what_they_are(host: str) -> None:
    with pytest.raises(EgressRefused):
        await Egress().vet(f"https://{host}/")


@pytest.mark.parametrize("address", [PUBLIC, "2606:2800:220:1::1", "::ffff:5db8:d822", "64:ff9b::5db8:d822"])
async def test_a_public_address_is_called(address: str) -> None:
    assert await found(Egress(resolver=answering(address)), "https://hooks.example/") == [address]


async def test_one_address_inside_condemns_the_name() -> None:
    with pytest.raises(EgressRefused):
        await found(Egress(resolver=answering(PUBLIC, "10.0.0.1")), "https://hooks.example/")


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("http://hooks.example/", "https://"),
        ("ftp://hooks.example/", "https://"),
        ("file:///etc/passwd", "https://"),
        ("hooks.example/x", "https://"),
        ("https://user:pw@hooks.example/", "user name"),
        ("https:///x", "name a host"),
        ("https://hooks.example:22/", "port 22"),
        ("https://hooks.example:99999/", "port 99999"),
        ("https://hooks.example:0/", "port 0"),
        ("https://hooks.example:x/", "not a URL"),
        ("https://hooks.example/a b", "without blanks"),
        ("https://hooks.example/\r\nHost: x", "without blanks"),
        ("https://hooks.example/" + "x" * 2048, "2048 characters"),
        ("", "https://"),
    ],
)
async def test_what_is_no_address_of_a_receiver_is_refused_with_the_reason(url: str, complaint: str) -> None:
    with pytest.raises(EgressRefused, match=complaint):
        await Egress(resolver=answering(PUBLIC)).vet(url)


async def test_a_refusal_does_not_tell_what_a_name_means_inside() -> None:
    with pytest.raises(EgressRefused) as refused:
        await Egress(resolver=answering("10.1.2.3")).vet("https://db.internal/")
    assert "10.1.2.3" not in refused.value.message
    assert "db.internal" in refused.value.message


async def test_a_name_that_cannot_be_looked_up_now_is_judged_when_it_is_dialled() -> None:
    async def nowhere(host: str, port: int) -> Sequence[str]:
        raise OSError(-2, "Name or service not known")

    egress = Egress(resolver=nowhere)
    await egress.vet("https://soon.example/")
    with pytest.raises(Unresolved, match=r"soon\.example"):
        await found(egress, "https://soon.example/")
    with pytest.raises(EgressRefused, match="https://"):
        await egress.vet("http://soon.example/")
    await Egress(["10.0.0.0/8"], resolver=nowhere).vet("http://soon.example/")
    with pytest.raises(Unresolved, match="no address"):
        await found(Egress(resolver=answering()), "https://soon.example/")


@pytest.mark.parametrize(
    ("allow", "url", "address"),
    [
        ("127.0.0.1", "http://127.0.0.1:9999/", "127.0.0.1"),
        ("127.0.0.0/8", "http://[::ffff:127.0.0.1]:9999/", "127.0.0.1"),
        ("::1", "http://[::1]:9999/", "::1"),
        ("fd00::/8", "http://[fd00::1]/", "fd00::1"),
        ("10.0.0.0/8", "http://hooks.internal/", "10.1.2.3"),
        ("hooks.internal", "http://hooks.internal/", "10.1.2.3"),
        ("Hooks.Internal.", "http://HOOKS.internal./", "10.1.2.3"),
        ("*.internal", "http://a.b.internal:22/", "10.1.2.3"),
    ],
)
async def test_what_the_operator_allows_is_called_at_any_port_without_tls(allow: str, url: str, address: str) -> None:
    egress = Egress([allow], resolver=answering(address))
    await egress.vet(url)
    assert await found(egress, url)


@pytest.mark.parametrize(
    ("allow", "url", "address"),
    [
        ("10.0.0.0/8", "http://hooks.internal/", "192.168.0.1"),
        ("hooks.internal", "http://other.internal/", "10.1.2.3"),
        ("*.internal", "http://internal/", "10.1.2.3"),
        ("*.internal", "http://evilinternal/", "10.1.2.3"),
        ("hooks.internal", "http://hooks.internal.evil.example/", "10.1.2.3"),
    ],
)
async def test_what_is_near_to_what_is_allowed_is_not(allow: str, url: str, address: str) -> None:
    with pytest.raises(EgressRefused):
        await Egress([allow], resolver=answering(address)).vet(url)


async def test_any_port_can_be_opened_for_what_is_public() -> None:
    await Egress(ports=(), resolver=answering(PUBLIC)).vet("https://hooks.example:22/")
    await Egress(ports=(22,), resolver=answering(PUBLIC)).vet("https://hooks.example:22/")


@pytest.mark.parametrize("entry", ["10.0.0.0/99", "a b", "", "*", "a*.internal", "http://x", "a..b", "a" * 64])
def test_an_entry_that_allows_nothing_is_refused_by_name(entry: str) -> None:
    with pytest.raises(ValueError, match=r"hooks\.internal"):
        parse_allowed([entry])


async def test_the_system_is_asked_for_names() -> None:
    assert "127.0.0.1" in await resolve("localhost", 80)


@given(st.integers(0, 2**32 - 1))
def test_an_address_in_the_dress_of_ipv6_is_judged_as_itself(number: int) -> None:
    plain = IPv4Address(number)
    mapped = IPv6Address(0xFFFF_0000_0000 + number)
    nat64 = IPv6Address((0x64FF9B << 96) + number)
    sixtofour = IPv6Address((0x2002 << 112) + (number << 80))
    assert {is_public(mapped), is_public(nat64), is_public(sixtofour)} == {is_public(plain)}


@given(st.ip_addresses())
def test_nothing_that_python_calls_private_or_special_is_public(address: IPv4Address | IPv6Address) -> None:
    special = address.is_private or address.is_loopback or address.is_link_local or address.is_multicast
    dressed = isinstance(address, IPv6Address) and (address.ipv4_mapped or address.sixtofour)
    assert not (is_public(address) and special and not dressed)
