"""``dragoman bundle``: agents as an ``.mcpb`` (MCP Bundle), which a host installs by opening it.

In it: the manifest, a pyproject.toml for uv, an entry point, and the agents' files under ``agents/``, with the settings
as ``agents/dragoman.toml``. The agents are imported to be listed; none is run. The same files, told of in the same way,
make the same bytes.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import sys
import zipfile
from collections.abc import Mapping, Sequence
from importlib.metadata import metadata, packages_distributions, version
from importlib.resources import files
from io import BytesIO
from pathlib import Path

from dragoman.agents.loader import AgentSource, Loaded, load
from dragoman.cli.about import About, Given, about, slug
from dragoman.cli.bundle_files import Collected, collect, loaded_modules
from dragoman.cli.errors import CommandError
from dragoman.cli.manifest import ENTRY, manifest, project
from dragoman.settings import FILE_NAME, Settings, find

__all__ = ["bundle", "loaded"]

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest that a ZIP file can tell
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def bundle(target: str | None, out: Path | None, given: Given, variables: Sequence[str]) -> None:
    """Make the bundle and say what is in it.

    Raises ``ConfigurationError`` for agents that cannot be loaded, ``CommandError`` for what cannot be bundled.
    """
    for variable in variables:
        if not _VARIABLE.fullmatch(variable) or variable.startswith("DRAGOMAN_"):
            raise CommandError(f"--env {variable}: not the name of an environment variable of the agents' own.", 2)
    settings, found = loaded(target)
    folder, fallback, collected, text = _content(settings)
    told = about(folder, fallback, found, given)
    _check(settings.sources(), folder, collected, told)
    entries: dict[str, tuple[bytes, bool]] = {
        "manifest.json": (manifest(told, found, variables).encode(), False),
        "pyproject.toml": (project(told, version("dragoman"), metadata("dragoman")["Requires-Python"]).encode(), False),
        ENTRY: ((files("dragoman.cli") / "bundle_main.py").read_bytes(), False),
        **{f"agents/{place}": _read(path) for place, path in collected.files.items()},
        f"agents/{FILE_NAME}": (text, False),
    }
    packed = _packed(entries)
    out = out or Path(f"{told.name}.mcpb")
    _write(out, packed)
    _tell(out, packed, len(entries), told, collected)


def loaded(target: str | None) -> tuple[Settings, Loaded]:
    """The settings and the agents that they name; what agents print while they are imported goes to stderr."""
    settings = find(target)
    with contextlib.redirect_stdout(sys.stderr):
        found = load(settings.sources())
    if not found:
        raise CommandError("No agents: name them under [agents] in dragoman.toml, or give a file with some.", 2)
    return settings, found


def _content(settings: Settings) -> tuple[Path, str, Collected, bytes]:
    """The folder, a name for want of another, its files, and the settings to go with them."""
    if settings.file is not None:
        folder = settings.file.resolve().parent
        return folder, folder.name, collect(folder, settings.storage_path), settings.file.read_bytes()
    agent = settings.agents[0]
    if agent.path is not None:
        file, _, attribute = agent.path.partition(".py")
        path = (settings.base / Path(f"{file}.py").expanduser()).resolve()
        folder, name, spec = path.parent, path.stem, f"{path.name}{attribute}"
    else:
        folder, spec = settings.base.resolve(), agent.import_ or ""
        name = spec.partition(":")[0].rpartition(".")[2]
    text = f"agents = [{json.dumps(spec, ensure_ascii=False)}]\n".encode()
    collected = collect(folder, settings.storage_path, only=loaded_modules(folder))
    return folder, name if slug(name) != "agents" else folder.name, collected, text


def _check(sources: Sequence[AgentSource], folder: Path, collected: Collected, told: About) -> None:
    """That every agent's code is in the bundle or will be installed. Raises ``CommandError``."""
    taken = set(collected.files.values())
    required = {_distribution(re.split(r"[^A-Za-z0-9._-]", line.strip(), maxsplit=1)[0]) for line in told.dependencies}
    for source in sources:
        place = re.sub(r":\w+$", "", source.spec)
        ends = ("",) if source.is_file else (".py", "/__init__.py")
        stem = str(Path(place).expanduser()) if source.is_file else place.replace(".", "/")
        if any((source.base / f"{stem}{end}").resolve() in taken for end in ends):
            continue
        owners = [] if source.is_file else _owners(place.partition(".")[0])
        if any(_distribution(owner) in required for owner in owners):
            continue
        hint = f"name what installs it (--with {owners[0]})" if owners else "move it there, or bundle another folder"
        raise CommandError(f"{source.where}: {place} is not among the files of {folder} that are bundled; {hint}.", 2)


def _owners(package: str) -> list[str]:
    """The distributions that a package came with; an editable one does not tell, and mostly has its name."""
    return packages_distributions().get(package) or [package]


def _distribution(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _read(path: Path) -> tuple[bytes, bool]:
    return path.read_bytes(), os.access(path, os.X_OK)


def _packed(entries: Mapping[str, tuple[bytes, bool]]) -> bytes:
    """A ZIP file that tells nothing of when and by whom it was made. The manifest comes first, as readers expect."""
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for place in sorted(entries, key=lambda each: (each != "manifest.json", each)):
            data, executable = entries[place]
            info = zipfile.ZipInfo(place, _EPOCH)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.create_system = 3  # Unix, whose permissions follow
            info.external_attr = (0o100755 if executable else 0o100644) << 16
            archive.writestr(info, data)
    return buffer.getvalue()


def _write(out: Path, data: bytes) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(f".{out.name}.part")
    part.write_bytes(data)
    part.replace(out)


def _tell(out: Path, packed: bytes, count: int, told: About, collected: Collected) -> None:
    print(f"{out}  {told.title} {told.version}, {count} files, {max(1, len(packed) // 1024)} kB")
    print(f"  sha256  {hashlib.sha256(packed).hexdigest()}")
    for place in collected.withheld:
        print(f"dragoman: {place} stays out: it looks like a secret, or is a link.", file=sys.stderr)
    for table in told.unread:
        print(f"dragoman: {table} of pyproject.toml is not carried over.", file=sys.stderr)
