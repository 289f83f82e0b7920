"""Folders of prompts and skills: what the catalog holds of them, at the start and as files come, change and go."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from dragoman.agents import Catalog, prompt
from dragoman.agents.errors import ConfigurationError
from dragoman.agents.folders import Folders

SOON = 0.01


def _prompt(folder: Path, name: str, text: str = "Hello.", front: str = "") -> None:
    """Written aside and moved: whole at once, as editors and deployments do."""
    folder.mkdir(exist_ok=True)
    draft = folder / f".{name}.draft"
    draft.write_text(f"---\ndescription: {name}\n{front}---\n{text}\n")
    draft.replace(folder / f"{name}.md")


def _skill(folder: Path, name: str, text: str = "Do it.") -> Path:
    (folder / name).mkdir(parents=True, exist_ok=True)
    draft = folder / ".draft"
    draft.write_text(f"---\nname: {name}\ndescription: It does.\n---\n{text}\n")
    draft.replace(folder / name / "SKILL.md")
    return folder / name


class _Watched:
    """A catalog that is kept as two folders are."""

    def __init__(self, base: Path) -> None:
        self.catalog = Catalog()
        self.prompts, self.skills = base / "prompts", base / "skills"
        self.folders = Folders(self.catalog, self.prompts, self.skills, SOON)
        self.told: list[str] = []
        self._news = asyncio.Event()
        self.catalog.listen(self._heard)
        self.catalog.watch(self._heard)

    def _heard(self, what: str) -> None:
        self.told.append(what)
        self._news.set()

    async def until(self, condition: Callable[[], Any]) -> None:
        async with asyncio.timeout(20):
            while not condition():
                self._news.clear()
                await self._news.wait()

    async def text(self, name: str) -> str:
        (message, *_) = await self.catalog.prompts[name].render()
        text: str = message.content.text
        return text


@asynccontextmanager
async def _watched(base: Path) -> AsyncGenerator[_Watched]:
    kept = _Watched(base)
    kept.folders.load()
    async with kept.folders.watched():
        yield kept


def test_what_lies_in_the_folders_is_there_from_the_start_in_order_of_names(tmp_path: Path) -> None:
    prompts, skills = tmp_path / "prompts", tmp_path / "skills"
    for name in ("second", "first"):
        _prompt(prompts, name)
    (prompts / "README.md").write_text("About these.")
    (prompts / "notes.txt").write_text("no prompt")
    (prompts / ".hidden.md").write_text("no prompt")
    _skill(skills, "forms")
    (skills / "no-skill").mkdir()
    catalog = Catalog()
    Folders(catalog, prompts, skills).load()
    assert list(catalog.prompts) == ["first", "second", "forms"]
    assert list(catalog.resources) == ["dragoman://skills/forms/SKILL.md"]


def test_folders_that_are_not_there_hold_nothing(tmp_path: Path) -> None:
    catalog = Catalog()
    Folders(catalog, tmp_path / "prompts", None).load()
    assert list(catalog.offers()) == []


def test_at_the_start_a_mistake_and_a_name_that_is_taken_are_told(tmp_path: Path) -> None:
    @prompt
    async def hello() -> str:
        """In code."""
        return "x"

    _prompt(tmp_path / "prompts", "hello")
    with pytest.raises(ConfigurationError, match=r"hello\.md: name: another prompt is named 'hello'"):
        Folders(Catalog(hello), tmp_path / "prompts", None).load()
    (tmp_path / "prompts" / "hello.md").write_text("broken")
    with pytest.raises(ConfigurationError, match=r"hello\.md: no front matter"):
        Folders(Catalog(), tmp_path / "prompts", None).load()


def test_a_file_that_leads_out_of_the_folder_is_no_prompt(tmp_path: Path) -> None:
    _prompt(tmp_path / "elsewhere", "secret")
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "secret.md").symlink_to(tmp_path / "elsewhere" / "secret.md")
    catalog = Catalog()
    Folders(catalog, tmp_path / "prompts", None).load()
    assert list(catalog.prompts) == []


@pytest.mark.anyio
async def test_prompts_come_change_and_go_while_the_server_runs(tmp_path: Path) -> None:
    async with _watched(tmp_path) as kept:
        _prompt(kept.prompts, "hello")
        await kept.until(lambda: "hello" in kept.catalog.prompts)
        assert await kept.text("hello") == "Hello."
        before = kept.catalog.prompts["hello"]
        _prompt(kept.prompts, "hello", "Good day.")
        await kept.until(lambda: kept.catalog.prompts["hello"] is not before)
        assert await kept.text("hello") == "Good day."
        (kept.prompts / "hello.md").unlink()
        await kept.until(lambda: "hello" not in kept.catalog.prompts)
    assert kept.told == ["prompts"] * 3


@pytest.mark.anyio
async def test_a_skill_comes_changes_and_goes_with_its_files(tmp_path: Path) -> None:
    async with _watched(tmp_path) as kept:
        folder = _skill(kept.skills, "forms")
        await kept.until(lambda: "forms" in kept.catalog.prompts)
        (folder / "more.md").write_text("more")
        await kept.until(lambda: "dragoman://skills/forms/more.md" in kept.catalog.resources)
        kept.told.clear()
        (folder / "more.md").write_text("less")
        await kept.until(lambda: "dragoman://skills/forms/more.md" in kept.told)
        assert await kept.catalog.resources["dragoman://skills/forms/more.md"].fn() == "less"
        (folder / "more.md").unlink()
        (folder / "SKILL.md").unlink()
        await kept.until(lambda: not list(kept.catalog.offers()))


@pytest.mark.anyio
async def test_a_mistake_is_logged_and_all_else_stays(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with _watched(tmp_path) as kept:
        _prompt(kept.prompts, "good")
        await kept.until(lambda: "good" in kept.catalog.prompts)
        (kept.prompts / "good.md").write_text("---\ndescription: [\n---\nx")
        (kept.prompts / "bad.md").write_text("no front matter")
        _prompt(kept.prompts, "last")
        await kept.until(lambda: "last" in kept.catalog.prompts)
        assert list(kept.catalog.prompts) == ["good", "last"]
        assert await kept.text("good") == "Hello."
        said = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
        assert len([line for line in said if "bad.md: no front matter" in line]) == 1
        _prompt(kept.prompts, "bad", "Better.")
        await kept.until(lambda: "bad" in kept.catalog.prompts)


@pytest.mark.anyio
async def test_a_name_that_was_taken_is_used_once_it_is_free(tmp_path: Path) -> None:
    async with _watched(tmp_path) as kept:
        _prompt(kept.prompts, "a", "From a.", "name: same\n")
        await kept.until(lambda: "same" in kept.catalog.prompts)
        _prompt(kept.prompts, "b", "From b.", "name: same\n")
        _prompt(kept.prompts, "c")
        await kept.until(lambda: "c" in kept.catalog.prompts)
        assert await kept.text("same") == "From a."
        (kept.prompts / "a.md").unlink()
        await kept.until(lambda: kept.told.count("prompts") >= 4)
        assert await kept.text("same") == "From b."


@pytest.mark.anyio
async def test_looking_ends_with_the_block(tmp_path: Path) -> None:
    async with _watched(tmp_path):
        assert any(task.get_name() == "prompt-folders" for task in asyncio.all_tasks())
    assert not any(task.get_name() == "prompt-folders" for task in asyncio.all_tasks())
