"""The import contracts bite: a house that keeps them passes, and each planted break is named."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGES = [
    *(
        f"server/dragoman/{room}"
        for room in ("cli", "demo", "settings", "engine", "agents", "auth", "asgi", "telemetry")
    ),
    *("protocols/dragoman/mcp", "protocols/dragoman/a2a", "protocols/dragoman/agent_protocol"),
    *("sandbox/dragoman/sandbox", "memory/dragoman/memory"),
]
# The checkout's own rooms would be found through its .pth file, which -S leaves out.
CHECK = (
    "import sys; sys.path += sys.argv.pop().split('|'); from importlinter.cli import lint_imports_command as run; run()"
)


@pytest.fixture
def house(root: Path, tmp_path: Path) -> Path:
    """The rooms, empty, under the project's contracts."""
    (tmp_path / "pyproject.toml").write_text((root / "pyproject.toml").read_text())
    for package in PACKAGES:
        (tmp_path / package).mkdir(parents=True)
        (tmp_path / package / "__init__.py").touch()
    for module in ("app", "routing"):
        (tmp_path / f"server/dragoman/{module}.py").touch()
    return tmp_path


def _check(house: Path) -> tuple[int, str]:
    installed = "|".join(path for path in sys.path if path.endswith("site-packages"))
    command = [sys.executable, "-S", "-c", CHECK, "--no-logo", "--no-cache", installed]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(["server", "protocols", "sandbox", "memory"])}
    done = subprocess.run(command, cwd=house, env=env, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout + done.stderr


def test_rooms_that_import_downwards_keep_the_contracts(house: Path) -> None:
    (house / "server/dragoman/app.py").write_text("import dragoman.mcp\nimport dragoman.engine\n")
    (house / "protocols/dragoman/mcp/routes.py").write_text("import starlette.routing\nimport dragoman.engine\n")
    assert _check(house)[0] == 0


@pytest.mark.parametrize(
    ("path", "line", "named"),
    [
        (
            "memory/dragoman/memory/up.py",
            "import dragoman.engine",
            "dragoman.memory is not allowed to import dragoman.engine",
        ),
        (
            "sandbox/dragoman/sandbox/up.py",
            "import dragoman.memory",
            "dragoman.sandbox is not allowed to import dragoman.memory",
        ),
        ("protocols/dragoman/mcp/side.py", "import dragoman.a2a", "dragoman.mcp is not allowed to import dragoman.a2a"),
        (
            "server/dragoman/agents/up.py",
            "import dragoman.engine",
            "dragoman.agents is not allowed to import dragoman.engine",
        ),
        (
            "server/dragoman/engine/up.py",
            "import dragoman.app",
            "dragoman.engine is not allowed to import dragoman.app",
        ),
        (
            "server/dragoman/engine/web.py",
            "import starlette.routing",
            "dragoman.engine is not allowed to import starlette",
        ),
        ("server/dragoman/engine/wire.py", "import mcp.types", "dragoman.engine is not allowed to import mcp"),
        ("server/dragoman/engine/__init__.py", "import dragoman.engine.a", "No cycles are allowed in dragoman.engine"),
        ("server/dragoman/stray.py", "", "The following modules are not listed as layers"),
    ],
)
def test_an_import_that_breaks_a_contract_is_named(house: Path, path: str, line: str, named: str) -> None:
    (house / "server/dragoman/engine/a.py").write_text("import dragoman.engine.b\n")
    (house / "server/dragoman/engine/b.py").write_text("import dragoman.engine.a\n" if "cycles" in named else "")
    (house / path).write_text(line + "\n")
    code, said = _check(house)
    assert code == 1
    assert named in " ".join(said.split())
