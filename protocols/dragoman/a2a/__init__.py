"""The A2A face: every agent is a peer with a card, and its tasks are the durable runs.

Projects runs onto A2A 1.0 over JSON-RPC, and serves 0.3 clients by the SDK's adapter. It has no queue, no task store
and no state of a task: the engine below has them. It imports no other face; the SDK is imported when a 0.3 client first
calls, and nothing of a web server unless ``routes`` is imported.
"""

from dragoman.a2a.settings import A2aSettings

__all__ = ["A2aSettings"]
