"""Where master keys come from, and what is said of one that is no key."""

from __future__ import annotations

import base64
import subprocess
import sys
from pathlib import Path

import pytest

from dragoman.agents.errors import ConfigurationError
from dragoman.memory.sealing import MasterKeys
from dragoman.settings import load
from dragoman.settings.master_keys import master_keys
from dragoman.settings.root import Settings

FIRST, SECOND = b"1" * 32, b"2" * 32
TEXTS = [base64.b64encode(key).decode() for key in (FIRST, SECOND)]


def settings(folder: Path, sealing: str = "") -> Settings:
    file = folder / "dragoman.toml"
    file.write_text(f"[sealing]\n{sealing}\n")
    return load(file, {}, {})


def kept(folder: Path, text: str, mode: int = 0o600) -> Path:
    file = folder / "keys"
    file.write_text(text)
    file.chmod(mode)
    return file


def test_nothing_is_sealed_unless_a_key_is_named(tmp_path: Path) -> None:
    assert master_keys(settings(tmp_path), {}) is None


def test_the_environment_goes_before_the_file_and_the_first_key_wraps(tmp_path: Path) -> None:
    kept(tmp_path, TEXTS[1])
    found = master_keys(settings(tmp_path, 'file = "keys"'), {"DRAGOMAN_MASTER_KEYS": f" {TEXTS[0]},{TEXTS[1]} "})
    assert found is not None
    assert found.ids == (MasterKeys([FIRST]).first, MasterKeys([SECOND]).first)


def test_a_file_holds_a_key_a_line_and_starts_at_the_folder_of_the_settings(tmp_path: Path) -> None:
    kept(tmp_path, "\n".join(TEXTS) + "\n")
    found = master_keys(settings(tmp_path, 'file = "keys"'), {})
    assert found is not None
    assert found.first == MasterKeys([FIRST]).first
    assert len(found.ids) == 2


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    kept(tmp_path, TEXTS[0], 0o640)
    with pytest.raises(ConfigurationError, match=r"\[sealing\] file: .*keys can be read by others \(mode 640\)"):
        master_keys(settings(tmp_path, 'file = "keys"'), {})


def test_a_command_prints_the_keys(tmp_path: Path) -> None:
    script = tmp_path / "keys.py"
    script.write_text(f"print({TEXTS[0]!r})")
    found = master_keys(settings(tmp_path, f'command = ["{sys.executable}", "{script}"]'), {})
    assert found is not None
    assert found.first == MasterKeys([FIRST]).first


@pytest.mark.parametrize(
    ("sealing", "env", "said"),
    [
        ("", {"DRAGOMAN_MASTER_KEYS": "c2hvcnQ="}, "DRAGOMAN_MASTER_KEYS, key 1: no Base64 of 32 bytes; make one with"),
        ('file = "none"', {}, r"\[sealing\] file: .*none cannot be read \(No such file"),
        ('command = "no-such-program --key"', {}, r"\[sealing\] command: no-such-program cannot be run"),
        (f'command = ["{sys.executable}", "-c", "exit(3)"]', {}, "ended with 3"),
        (f'command = ["{sys.executable}", "-c", "print(1)"]', {}, r"\[sealing\] command, key 1: no Base64 of 32"),
        ('file = "a"\ncommand = "b"', {}, "names a file and a command"),
        ("", {"DRAGOMAN_MASTER_KEYS": ""}, "DRAGOMAN_MASTER_KEYS, key 1: no Base64 of 32 bytes"),
        ("", {"DRAGOMAN_MASTER_KEYS": " \n"}, "DRAGOMAN_MASTER_KEYS, key 1: no Base64 of 32 bytes"),
        ('file = ""', {}, r"\[sealing\] names no file and no command"),
        ("command = []", {}, r"\[sealing\] names no file and no command"),
        ('file = "/dev/zero"', {}, "is no file of keys"),
        ('file = "."', {}, "is no file of keys"),
    ],
)
def test_what_is_no_key_is_told_by_its_place_and_never_shown(
    tmp_path: Path, sealing: str, env: dict[str, str], said: str
) -> None:
    with pytest.raises(ConfigurationError, match=said) as told:
        master_keys(settings(tmp_path, sealing), env)
    assert "c2hvcnQ" not in str(told.value)


@pytest.mark.parametrize("text", ["", "x" * 70_000])
def test_a_file_without_a_key_is_told(tmp_path: Path, text: str) -> None:
    kept(tmp_path, text)
    with pytest.raises(ConfigurationError, match="make one with"):
        master_keys(settings(tmp_path, 'file = "keys"'), {})


def test_a_command_does_not_hear_what_a_client_says(tmp_path: Path) -> None:
    """A server on stdio is talked to there."""
    script = tmp_path / "keys.py"
    script.write_text(f"import sys\nprint(sys.stdin.read() or {TEXTS[0]!r})")
    told = f'command = ["{sys.executable}", "{script}"]'
    (tmp_path / "dragoman.toml").write_text(f"[sealing]\n{told}\n")
    asked = (
        "from pathlib import Path; from dragoman.settings import load;"
        " from dragoman.settings.master_keys import master_keys;"
        f" print(master_keys(load(Path({str(tmp_path / 'dragoman.toml')!r}), {{}}, {{}}), {{}}).first)"
    )
    done = subprocess.run(
        [sys.executable, "-c", asked], input="said by a client", capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == MasterKeys([FIRST]).first
