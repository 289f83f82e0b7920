"""The Agent Protocol face: agents, threads, runs and the store over HTTP, at the server's root.

Two surfaces of one server: Agent Protocol 0.1.6, and what ``langgraph-sdk`` calls. Each is a projection of the
engine's runs and has its own statuses, shapes and defaults; neither has a queue, a store or a state. It imports no
other face. ``routes`` (in ``dragoman.agent_protocol.routes``) is what the app takes.
"""

from dragoman.agent_protocol.settings import AgentProtocolSettings
from dragoman.agent_protocol.surface import Surface

__all__ = ["AgentProtocolSettings", "Surface"]
