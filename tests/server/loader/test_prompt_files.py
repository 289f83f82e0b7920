"""Prompts in files: what a file says, what is put in, and how each mistake is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dragoman.agents import Message, Prompt
from dragoman.agents.completion import complete
from dragoman.agents.errors import ConfigurationError
from dragoman.agents.prompt_files import read_prompt

REVIEW = """\
---
title: Review a refund
description: Look at a refund before it is paid
arguments:
  - name: order_id
    description: The order's number
  - name: tone
    default: friendly
    choices: [friendly, formal]
  - name: note
    required: false
scopes: [desk]
---

Review the refund of {{order_id}} in a {{ tone }} tone.{{note}}
"""


def _read(folder: Path, text: str, name: str = "review.md") -> Prompt:
    (folder / name).write_text(text)
    return read_prompt(folder / name)


async def _texts(prompt: Prompt, **values: str) -> list[tuple[str, str]]:
    messages: list[Message] = await prompt.render(**values)
    return [(message.role, message.content.to_json()["text"]) for message in messages]


@pytest.mark.anyio
async def test_a_file_says_what_a_prompt_is_and_its_text_is_the_message(tmp_path: Path) -> None:
    prompt = _read(tmp_path, REVIEW)
    assert (prompt.name, prompt.title, prompt.description) == (
        "review",
        "Review a refund",
        "Look at a refund before it is paid",
    )
    assert [(a.name, a.required, a.description) for a in prompt.arguments] == [
        ("order_id", True, "The order's number"),
        ("tone", False, ""),
        ("note", False, ""),
    ]
    assert prompt.scopes == {"desk"}
    assert list(await complete(prompt.completers["tone"], "fo", {})) == ["formal"]
    assert await _texts(prompt, order_id="o-1") == [("user", "Review the refund of o-1 in a friendly tone.")]


@pytest.mark.anyio
async def test_a_value_is_put_in_as_it_is_and_never_looked_at_again(tmp_path: Path) -> None:
    prompt = _read(tmp_path, REVIEW)
    texts = await _texts(prompt, order_id="{{tone}}", tone="\\1 $0", note=" \\{{x}}")
    assert texts == [("user", "Review the refund of {{tone}} in a \\1 $0 tone. \\{{x}}")]


@pytest.mark.anyio
async def test_lines_with_a_role_part_the_messages(tmp_path: Path) -> None:
    text = """---
description: Talk
arguments: [{name: what}]
---
user:
What is {{what}}?

Use `{name}: \\{{value}}`.
assistant:
It is
user: not a role, for something follows
user:
Go on.
"""
    assert await _texts(_read(tmp_path, text), what="it") == [
        ("user", "What is it?\n\nUse `{name}: {{value}}`."),
        ("assistant", "It is\nuser: not a role, for something follows"),
        ("user", "Go on."),
    ]


@pytest.mark.anyio
async def test_a_text_that_begins_with_no_role_is_one_message_whatever_it_holds(tmp_path: Path) -> None:
    text = "---\ndescription: x\n---\nA talk has lines such as\nuser:\nand text.\n"
    assert await _texts(_read(tmp_path, text)) == [("user", "A talk has lines such as\nuser:\nand text.")]


@pytest.mark.anyio
async def test_windows_line_ends_and_a_byte_order_mark_are_taken(tmp_path: Path) -> None:
    (tmp_path / "win.md").write_bytes(b"\xef\xbb\xbf---\r\ndescription: x\r\n---\r\nHello\r\nthere\r\n")
    assert await _texts(read_prompt(tmp_path / "win.md")) == [("user", "Hello\nthere")]


BODY = "---\nText"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Just text", "no front matter"),
        ("---\ndescription: x\nText", "no front matter"),
        (f"---\ntitle: x\n{BODY}", "description: field required"),
        (f"---\ndescription: ''\n{BODY}", "description: string should have at least 1 character"),
        (f"---\ndescription: x\ncolour: red\n{BODY}", "colour: extra inputs are not permitted"),
        (f"---\ndescription: x\nname: a b\n{BODY}", "name: a name has letters"),
        (f"---\ndescription: x\narguments: [{{name: 1}}]\n{BODY}", "arguments 1 name: input should be a valid string"),
        (f"---\ndescription: x\narguments: [{{name: a}}, {{name: a}}]\n{BODY}", "arguments: 'a' is there twice"),
        (f"---\ndescription: [x\n{BODY}", "line 3: not YAML"),
        (f"---\n- x\n{BODY}", "the front matter must be keys and values"),
        ("---\ndescription: x\n---\n\n", "there is no text"),
        ("---\ndescription: x\n---\n{{what}}", "arguments: {{what}} is none of them"),
        ("---\ndescription: x\n---\n{{#if what}}", "'{{#if what}}' is no {{argument}}"),
        (
            "---\ndescription: x\n---\nsystem:\nBe kind.",
            "system: a prompt's messages are the user's or the assistant's",
        ),
        ("---\ndescription: x\n---\nuser:\nassistant:\nHello", "user: the message has no text"),
        (f"---\ndescription: !!python/object/apply:os.getcwd []\n{BODY}", "not YAML"),
    ],
)
def test_a_mistake_is_told_with_file_key_and_reason(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as told:
        _read(tmp_path, text, "wrong.md")
    assert "wrong.md" in told.value.message
    assert said in told.value.message


def test_a_file_that_is_no_text_or_too_large_or_not_there_is_told_of(tmp_path: Path) -> None:
    def told(data: bytes | None) -> Any:
        file = tmp_path / "x.md"
        file.unlink(missing_ok=True)
        if data is not None:
            file.write_bytes(data)
        with pytest.raises(ConfigurationError) as error:
            read_prompt(file)
        return error.value.message

    assert "not UTF-8 at byte 4" in told(b"---\n\xff")
    assert "1048576 are the most" in told(b"x" * 1_048_577)
    assert "No such file" in told(None)
