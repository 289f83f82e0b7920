"""What people install: the distribution, built as a release is (sdist, then its wheel) and imported on its own."""

import json
import os
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

# Modules that need an extra, which others import when they are used. Every other module imports without any.
_PACKAGE = Path(__file__).parents[2] / "memory" / "dragoman" / "memory" / "postgres"
_WITHOUT = {"__init__", "dialect", "scope", "values"}
_POSTGRES = sorted(file.stem for file in _PACKAGE.glob("*.py") if file.stem not in _WITHOUT)
NEEDS_EXTRA = {
    "dragoman.a2a.client_grpc": "grpc",
    "dragoman.a2a.grpc_service": "grpc",
    "dragoman.memory.blobs.objects": "blobs",
    **{f"dragoman.memory.postgres.{name}": "postgres" for name in _POSTGRES},
}

IMPORT_EVERYTHING = """
import importlib, importlib.metadata, json, pkgutil, sys
import dragoman
apart = set(sys.argv[1:])
names = [m.name for m in pkgutil.walk_packages(dragoman.__path__, "dragoman.") if m.name not in apart]
files = {name: importlib.import_module(name).__file__ for name in names if not name.endswith(".__main__")}
(script,) = importlib.metadata.entry_points(group="console_scripts", name="dragoman")
print(json.dumps({"files": files, "script": callable(script.load())}))
"""
# Those of the modules that import; the others lack a module.
IMPORT_EACH = """
import contextlib, importlib, json, sys
imported = []
for name in sys.argv[1:]:
    with contextlib.suppress(ModuleNotFoundError):
        importlib.import_module(name)
        imported.append(name)
print(json.dumps(imported))
"""


def _run(command: list[str], cwd: Path, **environment: str) -> str:
    env = {**{name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}, **environment}
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _core(name: str, extras: frozenset[str], seen: dict[tuple[str, str], Distribution]) -> None:
    """Gather into `seen` the distribution, with the given extras, and everything it requires here."""
    found = distribution(name)
    for extra in {"", *extras}:
        if (name, extra) in seen:
            continue
        seen[name, extra] = found
        for line in found.requires or []:
            required = Requirement(line)
            if required.marker is None or required.marker.evaluate({"extra": extra}):
                _core(required.name, frozenset(required.extras), seen)


def _top_level(found: Distribution) -> Iterator[Path]:
    for name in {file.parts[0] for file in found.files or []} - {"..", "__pycache__"}:
        yield Path(str(found.locate_file(name)))


@pytest.fixture(scope="module")
def wheel(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the sdist, without a network."""
    out = tmp_path_factory.mktemp("dist")
    _run([sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(root)], out)
    (built,) = out.glob("*.whl")
    assert len(list(out.glob("*.tar.gz"))) == 1
    return built


@pytest.fixture(scope="module")
def core_only(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of installed packages that holds the core dependencies and what they require, and nothing else."""
    folder = tmp_path_factory.mktemp("core")
    seen: dict[tuple[str, str], Distribution] = {}
    _core("dragoman", frozenset(), seen)
    _link(seen, folder)
    return folder


def _link(seen: dict[tuple[str, str], Distribution], folder: Path) -> None:
    for found in {name: found for (name, _), found in seen.items() if name != "dragoman"}.values():
        for path in _top_level(found):
            if not (folder / path.name).exists():
                (folder / path.name).symlink_to(path)


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, installed by itself."""
    target = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--target", str(target)]
    _run([*pip, str(wheel)], target)
    return target


def _bare(code: str, *arguments: str, path: list[Path]) -> str:
    """What a program prints that sees these folders and the standard library alone: -S leaves out site-packages, and
    with it the .pth file that points at the checkout."""
    environment = {"PYTHONPATH": os.pathsep.join(map(str, path))}
    return _run([sys.executable, "-S", "-P", "-c", code, *arguments], path[0], **environment)


def test_the_wheel_built_from_the_sdist_holds_every_file_of_the_source_roots_and_no_other(
    wheel: Path, tree: list[str], sources: list[str]
) -> None:
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert packed == {path.partition("/")[2] for path in tree if path.partition("/")[0] in sources}
    assert any(name.endswith(".sql") for name in packed)


def test_every_package_says_that_it_is_typed_and_the_namespace_stays_open(wheel: Path) -> None:
    packed = set(zipfile.ZipFile(wheel).namelist())
    packages = {name.split("/")[1] for name in packed if name.count("/") == 2 and name.startswith("dragoman/")}
    assert {"memory", "engine", "agents", "mcp", "a2a", "agent_protocol", "sandbox"} <= packages
    assert not [
        name for name in packages if not {f"dragoman/{name}/__init__.py", f"dragoman/{name}/py.typed"} <= packed
    ]
    assert "dragoman/__init__.py" not in packed


def test_every_module_imports_from_the_wheel_with_the_core_dependencies_alone(
    installed: Path, core_only: Path, tree: list[str], sources: list[str]
) -> None:
    seen = json.loads(_bare(IMPORT_EVERYTHING, *NEEDS_EXTRA, path=[installed, core_only]))
    assert seen["script"] is True
    assert {Path(file).relative_to(installed).as_posix() for file in seen["files"].values()} == {
        path.partition("/")[2]
        for path in tree
        if path.partition("/")[0] in sources and path.endswith(".py") and not path.endswith("/__main__.py")
    } - {f"{name.replace('.', '/')}.py" for name in NEEDS_EXTRA}


@pytest.mark.parametrize("extra", sorted(set(NEEDS_EXTRA.values())))
def test_the_modules_of_an_extra_import_with_what_the_extra_declares_and_not_without(
    installed: Path, core_only: Path, tmp_path: Path, config: dict[str, Any], extra: str
) -> None:
    modules = [module for module, needed in NEEDS_EXTRA.items() if needed == extra]
    seen: dict[tuple[str, str], Distribution] = {}
    for line in config["project"]["optional-dependencies"][extra]:
        _core(Requirement(line).name, frozenset(Requirement(line).extras), seen)
    _link(seen, tmp_path)
    path = [installed, core_only]
    assert json.loads(_bare(IMPORT_EACH, *modules, path=[*path, tmp_path])) == modules
    assert json.loads(_bare(IMPORT_EACH, *modules, path=path)) == []


def test_who_asks_for_grpc_without_its_extra_is_told_what_to_install(
    installed: Path, core_only: Path, tmp_path: Path
) -> None:
    (tmp_path / "agents.py").write_text(
        "from dragoman.agents import Context, agent\n\n"
        "@agent\nasync def echo(ctx: Context, text: str) -> str:\n    return text\n"
    )
    (tmp_path / "dragoman.toml").write_text('agents = ["agents.py"]\n[server]\nport = 0\n[a2a]\ngrpc_port = 50051\n')
    command = [sys.executable, "-S", "-P", "-m", "dragoman.cli", "serve", "dragoman.toml"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, [installed, core_only]))}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode not in (0, -signal.SIGTERM)
    assert "pip install 'dragoman[grpc]'" in done.stderr
    assert "Traceback" not in done.stderr + done.stdout


def test_the_clean_environment_holds_no_development_tool(core_only: Path) -> None:
    names = {path.name for path in core_only.iterdir()}
    assert {"starlette", "pydantic", "a2a", "mcp"} <= names
    assert not {"pytest", "hypothesis", "langgraph_sdk", "mypy", "psutil"} & names
