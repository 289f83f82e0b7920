"""Where tests stand, and words that several requirements share."""

from __future__ import annotations

from typing import Final

_MCP: Final = "tests/protocols/mcp/test_"
CALLS: Final = f"{_MCP}calls.py::test_"
COMPLETION: Final = f"{_MCP}completion.py::test_"
HTTP: Final = f"{_MCP}http.py::test_"
PROJECT: Final = f"{_MCP}project.py::test_"
PROMPTS: Final = f"{_MCP}prompts.py::test_"
PROTOCOL: Final = f"{_MCP}protocol.py::test_"
STDIO: Final = f"{_MCP}stdio.py::test_"
TASK: Final = f"{_MCP}tasks.py::test_"
R_BASE: Final = f"{_MCP}requirements_base.py::test_"
R_PATTERNS: Final = f"{_MCP}requirements_patterns.py::test_"
R_SERVER: Final = f"{_MCP}requirements_server.py::test_"
R_TASKS: Final = f"{_MCP}requirements_tasks.py::test_"
R_TRANSPORTS: Final = f"{_MCP}requirements_transports.py::test_"
KEYS: Final = "tests/server/auth/test_keys.py::test_"
HOSTS: Final = "tests/server/auth/test_hosts.py::test_"
BAD_INPUT: Final = "tests/acceptance/test_bad_input.py::test_"

BUILDING: Final = "being built"
