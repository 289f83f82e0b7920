"""Skills in folders: the prompt, the files as resources, and that nothing outside of the folder is read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dragoman.agents import Message, Prompt, Resource
from dragoman.agents.errors import ConfigurationError
from dragoman.agents.skills import files_of, read_skill
from dragoman.memory.errors import NotFound

PAGE = "---\nname: pdf-forms\ndescription: Fill forms\nmetadata: {a: b}\n---\n# Forms\n\nSee reference/f.md\n"


@pytest.fixture
def skill(tmp_path: Path) -> Path:
    folder = tmp_path / "skills" / "pdf-forms"
    (folder / "reference").mkdir(parents=True)
    (folder / "SKILL.md").write_text(PAGE)
    (folder / "reference" / "f.md").write_text("fields")
    (folder / "logo.png").write_bytes(b"\x89PNG\0")
    (folder / "a name {x}").write_text("plain")
    (folder / ".hidden").write_text("no")
    return folder


def _by_uri(resources: list[Resource]) -> dict[str, Resource]:
    return {resource.uri.removeprefix("dragoman://skills/"): resource for resource in resources}


async def _texts(prompt: Prompt, **values: str) -> list[str]:
    messages: list[Message] = await prompt.render(**values)
    return [message.content.to_json()["text"] for message in messages]


@pytest.mark.anyio
async def test_a_skill_is_a_prompt_of_its_text_and_of_what_to_do(skill: Path) -> None:
    prompt, _ = read_skill(skill)
    assert (prompt.name, prompt.title, prompt.description) == ("pdf-forms", "Pdf forms", "Fill forms")
    assert [(a.name, a.required) for a in prompt.arguments] == [("task", False)]
    (text,) = await _texts(prompt)
    assert text.startswith("# Forms")
    assert "dragoman://skills/pdf-forms/" in text
    assert await _texts(prompt, task="Fill form 7") == [text, "Fill form 7"]


@pytest.mark.anyio
async def test_the_files_of_a_skill_are_resources(skill: Path) -> None:
    _, resources = read_skill(skill)
    found = _by_uri(resources)
    assert list(found) == [
        "pdf-forms/SKILL.md",
        "pdf-forms/a%20name%20%7Bx%7D",
        "pdf-forms/logo.png",
        "pdf-forms/reference/f.md",
    ]
    assert not any(resource.is_template for resource in resources)
    assert [r.mime_type for r in resources] == ["text/markdown", "text/plain", "image/png", "text/markdown"]
    assert found["pdf-forms/reference/f.md"].size == 6
    assert await found["pdf-forms/reference/f.md"].fn() == "fields"
    assert await found["pdf-forms/logo.png"].fn() == b"\x89PNG\0"
    (skill / "reference" / "f.md").write_text("other")
    assert await found["pdf-forms/reference/f.md"].fn() == "other"


@pytest.mark.anyio
async def test_nothing_outside_of_the_folder_is_listed_or_read(skill: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("s3cret")
    (skill / "link.txt").symlink_to(secret)
    (skill / "up").symlink_to(tmp_path)
    (skill / "inside.md").symlink_to(skill / "reference" / "f.md")
    _, resources = read_skill(skill)
    found = _by_uri(resources)
    assert [uri for uri in found if "link" in uri or "secret" in uri or "up" in uri] == []
    assert await found["pdf-forms/inside.md"].fn() == "fields"
    # What was a file when it was listed, and leads out when it is read.
    os.replace(skill / "link.txt", skill / "reference" / "f.md")
    with pytest.raises(NotFound):
        await found["pdf-forms/reference/f.md"].fn()
    (skill / "logo.png").unlink()
    with pytest.raises(NotFound):
        await found["pdf-forms/logo.png"].fn()


@pytest.mark.parametrize(
    ("page", "said"),
    [
        ("# no front matter", "no front matter"),
        (PAGE.replace("pdf-forms", "other"), "name: 'other' must be the folder's, 'pdf-forms'"),
        (PAGE.replace("pdf-forms", "PDF"), "name: string should match pattern"),
        (PAGE.replace("Fill forms", ""), "description: input should be a valid string"),
        (PAGE.replace("Fill forms", "x" * 1025), "description: string should have at most 1024 characters"),
    ],
)
def test_a_mistake_is_told_with_file_key_and_reason(skill: Path, page: str, said: str) -> None:
    (skill / "SKILL.md").write_text(page)
    with pytest.raises(ConfigurationError) as told:
        read_skill(skill)
    assert "SKILL.md" in told.value.message
    assert said in told.value.message


def test_a_skill_page_that_leads_out_and_a_skill_of_too_many_files_are_refused(skill: Path, tmp_path: Path) -> None:
    for number in range(200):
        (skill / f"{number}.txt").touch()
    with pytest.raises(ConfigurationError, match="204 files; 200 are the most"):
        read_skill(skill)
    (tmp_path / "page.md").write_text(PAGE)
    (skill / "SKILL.md").unlink()
    (skill / "SKILL.md").symlink_to(tmp_path / "page.md")
    assert skill / "SKILL.md" not in list(files_of(skill))
    with pytest.raises(ConfigurationError, match="it leads out of its folder"):
        read_skill(skill)
