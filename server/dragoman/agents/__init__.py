"""What people write: agents, tools, resources and prompts, and the contexts they are handed.

This package says what these are; it drives nothing (``dragoman.engine`` does) and speaks no protocol.
"""

from dragoman.agents.agent import Agent, Skill, agent
from dragoman.agents.calls import CallContext
from dragoman.agents.catalog import Catalog
from dragoman.agents.client import list_roots, sample
from dragoman.agents.content import Audio, Content, Embedded, Icon, Image, Link, Message, Text, ToolResult
from dragoman.agents.context import Approval, Context, Store
from dragoman.agents.errors import (
    CannotAsk,
    ChildFailed,
    ConfigurationError,
    Declined,
    InterruptExpired,
    Rejected,
    RequestError,
    StepFailed,
    StepTimeout,
)
from dragoman.agents.hints import Hints
from dragoman.agents.policy import Retry
from dragoman.agents.prompt import Prompt, prompt
from dragoman.agents.remote import (
    RemoteArtifact,
    RemoteFailed,
    RemoteFile,
    RemoteRejected,
    RemoteResult,
    RemoteUnreachable,
    RemoteUnusable,
)
from dragoman.agents.resource import Resource, resource
from dragoman.agents.tool import Tool, tool
from dragoman.memory.model import InterruptKind

__all__ = [
    "Agent",
    "Approval",
    "Audio",
    "CallContext",
    "CannotAsk",
    "Catalog",
    "ChildFailed",
    "ConfigurationError",
    "Content",
    "Context",
    "Declined",
    "Embedded",
    "Hints",
    "Icon",
    "Image",
    "InterruptExpired",
    "InterruptKind",
    "Link",
    "Message",
    "Prompt",
    "Rejected",
    "RemoteArtifact",
    "RemoteFailed",
    "RemoteFile",
    "RemoteRejected",
    "RemoteResult",
    "RemoteUnreachable",
    "RemoteUnusable",
    "RequestError",
    "Resource",
    "Retry",
    "Skill",
    "StepFailed",
    "StepTimeout",
    "Store",
    "Text",
    "Tool",
    "ToolResult",
    "agent",
    "list_roots",
    "prompt",
    "resource",
    "sample",
    "tool",
]
