"""The engine: accepts, claims, drives, parks and recovers runs, and tells of them by events.

Above ``agents`` and ``memory``; below the faces. Imports no web framework and no wire type.
"""

from dragoman.engine.engine import Engine
from dragoman.engine.hub import SlowSubscriber
from dragoman.engine.request import UNSET, EngineSettings, RunRequest, Unset, run_request

__all__ = ["UNSET", "Engine", "EngineSettings", "RunRequest", "SlowSubscriber", "Unset", "run_request"]
