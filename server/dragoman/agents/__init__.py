"""What people write: agents and tools, and the Context they are handed.

This package says what an agent is; it drives nothing (``dragoman.engine`` does) and speaks no protocol.
"""

from dragoman.agents.agent import Agent, Skill, agent
from dragoman.agents.context import Approval, Context, Store
from dragoman.agents.errors import ChildFailed, ConfigurationError, InterruptExpired, Rejected, StepFailed, StepTimeout
from dragoman.agents.policy import Retry
from dragoman.agents.tool import Tool, tool
from dragoman.memory.model import InterruptKind

__all__ = [
    "Agent",
    "Approval",
    "ChildFailed",
    "ConfigurationError",
    "Context",
    "InterruptExpired",
    "InterruptKind",
    "Rejected",
    "Retry",
    "Skill",
    "StepFailed",
    "StepTimeout",
    "Store",
    "Tool",
    "agent",
    "tool",
]
