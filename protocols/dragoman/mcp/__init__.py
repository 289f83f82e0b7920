"""The MCP face: every agent is a tool, and a call of it is a durable run.

Projects runs onto the Model Context Protocol, both eras, over HTTP (``dragoman.mcp.routes``) and stdio
(``dragoman.mcp.stdio``). It has no queue, no store and no state of a run: the engine below has them. It imports
neither another face nor the MCP SDK, and nothing of a web server unless ``routes`` is imported.
"""

from dragoman.mcp.settings import McpSettings

__all__ = ["McpSettings"]
