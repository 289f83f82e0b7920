"""URI templates: what fits, in how much time, and which values a resource does not take."""

from __future__ import annotations

import time

import pytest

from dragoman.agents import resource
from dragoman.agents.templates import LONGEST, UriTemplate


@pytest.mark.parametrize(
    ("template", "uri", "values"),
    [
        ("notes://{id}", "notes://a%2Fb", {"id": "a/b"}),
        ("notes://{id}", "notes://a/b", None),
        ("notes://{id}", "notes://", None),
        ("notes://{id}/text", "notes://1/text", {"id": "1"}),
        ("notes://{id}/text", "notes://1/text/", None),
        ("files://{+path}", "files://a/b?c", {"path": "a/b?c"}),
        ("files://{+folder}/{name}", "files://a/b/c", {"folder": "a/b", "name": "c"}),
        ("pairs://{a}-{b}", "pairs://x-y-z", {"a": "x-y", "b": "z"}),
        ("pairs://{+a}-{b}", "pairs://p-q/r-s", {"a": "p-q/r", "b": "s"}),
        ("pairs://{a}{b}", "pairs://xyz", {"a": "xy", "b": "z"}),
        ("plain://it", "plain://it", {}),
        ("plain://it", "plain://its", None),
        ("other://{id}", "notes://1", None),
    ],
)
def test_a_uri_fits_in_one_way_and_an_earlier_variable_takes_most(
    template: str, uri: str, values: dict[str, str] | None
) -> None:
    assert UriTemplate(template).match(uri) == values


@pytest.mark.parametrize(
    "uri", ["many://" + "-" * 8000 + "/end", "many://" + "-/" * 4000 + "end", "many://" + "-a" * 4000]
)
@pytest.mark.parametrize("template", ["many://{a}-{b}-{c}-{d}-{e}/end", "many://{+a}-{+b}-{+c}/{+d}-{e}/end!"])
def test_no_uri_takes_long_to_be_told_apart(template: str, uri: str) -> None:
    begun = time.process_time()
    UriTemplate(template).match(uri)
    assert time.process_time() - begun < 2


def test_a_uri_that_is_longer_than_any_fits_nothing() -> None:
    template = UriTemplate("notes://{id}")
    assert template.match("notes://" + "a" * (LONGEST - 8)) is not None
    assert template.match("notes://" + "a" * (LONGEST - 7)) is None


OUTSIDE = [
    "/etc/passwd",
    "%2Fetc%2Fpasswd",
    "../x",
    "a/../../x",
    "..%2Fx",
    "%2e%2e/x",
    "a/..",
    "..\\x",
    "\\\\host\\x",
    "a%00b",
]


@pytest.mark.parametrize("value", OUTSIDE)
def test_a_value_that_would_lead_out_of_a_folder_names_nothing_unless_it_may(value: str) -> None:
    async def read(path: str) -> str:
        return path

    assert resource("files://{+path}")(read).match(f"files://{value}") is None
    assert resource("files://{+path}", any_value=["path"])(read).match(f"files://{value}") is not None


@pytest.mark.parametrize("value", ["a..b", "...", "v1..v2", "a/b.txt", ".hidden", "A:1"])
def test_other_values_are_taken(value: str) -> None:
    async def read(path: str) -> str:
        return path

    assert resource("files://{+path}")(read).match(f"files://{value}") == {"path": value}


def test_a_name_that_is_no_variable_is_refused_where_the_resource_is_made() -> None:
    async def read(path: str) -> str:
        return path

    with pytest.raises(TypeError, match="any_value names 'pth', no variable"):
        resource("files://{path}", any_value=["pth"])(read)
