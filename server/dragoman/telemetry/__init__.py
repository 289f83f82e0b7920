"""What the server tells of itself: JSON logs that carry run and trace ids.

No part asks this package for settings; it is told once, at start. Below ``engine`` and the faces, which bind the ids.
"""

from dragoman.telemetry.context import bind_run, current_run, current_trace, join_trace, start_trace
from dragoman.telemetry.logs import configure_logging
from dragoman.telemetry.trace import TraceContext

__all__ = ["TraceContext", "bind_run", "configure_logging", "current_run", "current_trace", "join_trace", "start_trace"]
