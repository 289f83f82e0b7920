"""Starts the agents of this bundle over MCP on standard input and output.

Copied as it is into a bundle, as its entry point: it may import nothing of the command line but ``main``. Runs are kept
in the folder that the user chose in the host, or in this user's own folder of programs' state: the bundle's own folder
is replaced when it is updated.
"""

import json
import os
from pathlib import Path

from dragoman.cli import main
from dragoman.settings import user_folder

CHOSEN = "DRAGOMAN_BUNDLE_FOLDER"


def start(bundle: Path) -> None:
    """Serve until standard input ends."""
    # What the user left empty reaches us, in some hosts, as the unfilled placeholder.
    for name in [name for name, value in os.environ.items() if value.startswith("${user_config.")]:
        del os.environ[name]
    name = json.loads((bundle / "manifest.json").read_bytes())["name"]
    chosen = os.environ.get(CHOSEN)
    folder = Path(chosen).expanduser() if chosen else user_folder() / "bundles" / name
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    main(["stdio", str(bundle / "agents"), "--storage", str(folder)])


if __name__ == "__main__":
    start(Path(__file__).resolve().parents[1])
