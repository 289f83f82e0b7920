"""Metrics as text: the Prometheus exposition format, version 0.0.4. Pure.

A few lines and no library: ``prometheus_client`` keeps a registry for the whole process, and what is told here is read
from where it is kept when it is asked for. Labels have values from short lists alone, never an id or a name.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

__all__ = ["CONTENT_TYPE", "Labels", "Metric", "exposition", "process_metrics"]

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_STATM: Final = Path("/proc/self/statm")
_FILES: Final = Path("/proc/self/fd")
_STARTED: Final = time.time()

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric; ``samples`` are its values by labels."""

    name: str
    help: str
    kind: Literal["counter", "gauge"]
    samples: Mapping[Labels, float] = field(default_factory=dict[Labels, float])


def exposition(metrics: Iterable[Metric]) -> str:
    """The text of metrics."""
    lines: list[str] = []
    for metric in metrics:
        lines += [f"# HELP {metric.name} {metric.help}", f"# TYPE {metric.name} {metric.kind}"]
        lines += [f"{metric.name}{_labels(labels)} {value:.17g}" for labels, value in metric.samples.items()]
    return "\n".join(lines) + "\n"


def _labels(labels: Labels) -> str:
    if not labels:
        return ""
    escaped = ((name, text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")) for name, text in labels)
    return "{" + ",".join(f'{name}="{text}"' for name, text in escaped) + "}"


def process_metrics() -> list[Metric]:
    """What every process is asked for, under the names that every exporter uses; on Linux, memory and files too."""
    times = os.times()
    found = [
        Metric("process_cpu_seconds_total", "Processor time.", "counter", {(): times.user + times.system}),
        Metric("process_start_time_seconds", "When it started, since the epoch.", "gauge", {(): _STARTED}),
    ]
    if _STATM.exists():
        pages = int(_STATM.read_text("ascii").split()[1])
        size = pages * os.sysconf("SC_PAGE_SIZE")
        found.append(Metric("process_resident_memory_bytes", "Memory in use.", "gauge", {(): size}))
        files = sum(1 for _ in _FILES.iterdir())
        found.append(Metric("process_open_fds", "Open files and sockets.", "gauge", {(): files}))
    return found
