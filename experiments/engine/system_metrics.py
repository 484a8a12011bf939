"""How busy the machine was while something was trained: MLflow's own monitors, read into a file of the workspace.

MLflow's thread would write to the server, and hang with it. This one writes a line for each sample, and the lines go to
MLflow with the rest of the run. ``MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING=false`` switches it off,
``MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL`` is the time between samples, 10 seconds by default.
"""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

from workbench.errors import InputError
from workbench.files.ordinary import append_text
from workbench.machine.processes import is_first
from workbench.mlflow.quiet import quick_and_quiet

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SWITCH, INTERVAL = "MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING", "MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL"
SECONDS = 10.0


@contextmanager
def record_system_metrics(file: Path) -> Iterator[None]:
    """Add a line of system metrics to ``file`` every few seconds while the block runs; a short one leaves none."""
    if not is_first() or os.environ.get(SWITCH, "true").lower() in ("false", "0"):
        yield
        return
    seconds, stop, monitors = _interval(), Event(), _monitors()
    thread = Thread(target=_sample, args=(file, monitors, seconds, stop), daemon=True, name="system metrics")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _interval() -> float:
    given = os.environ.get(INTERVAL) or str(SECONDS)
    try:
        seconds = float(given)
    except ValueError:
        seconds = 0.0
    if not seconds > 0:
        raise InputError(f"{given!r} is no number of seconds", where=f"${INTERVAL}", hint="The default is 10.")
    return seconds


def points(file: Path) -> tuple[tuple[str, float | None, int], ...]:
    """Return what was sampled, as metrics of a run; the step is the number of the sample."""
    lines = file.read_text(encoding="utf-8", errors="replace").splitlines() if file.is_file() else []
    return tuple(
        (f"system/{name}", value, step) for step, line in enumerate(lines) for name, value in _read(line).items()
    )


def _read(line: str) -> dict[str, float]:
    try:
        sample = json.loads(line)
    except ValueError:
        return {}  # the process was killed while it wrote
    if not isinstance(sample, dict):
        return {}
    return {name: value for name, value in sample.items() if isinstance(value, int | float)}


def _monitors() -> list[Any]:
    """Return those that work here: processor and memory, and graphics processors where they can be asked."""
    with quick_and_quiet():
        from mlflow.system_metrics.metrics.cpu_monitor import CPUMonitor
        from mlflow.system_metrics.metrics.gpu_monitor import GPUMonitor

    try:
        monitors = [CPUMonitor(), GPUMonitor()]
    except (ImportError, RuntimeError):
        monitors = [CPUMonitor()]
    _look(monitors)  # what it says first is the load since the last time that somebody asked
    return monitors


def _look(monitors: list[Any]) -> dict[str, float]:
    sample: dict[str, float] = {}
    for monitor in monitors:
        monitor.collect_metrics()
        sample |= monitor.aggregate_metrics()
        monitor.clear_metrics()
    return sample


def _sample(file: Path, monitors: list[Any], seconds: float, stop: Event) -> None:
    while not stop.wait(seconds):
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            append_text(file, json.dumps(_look(monitors)) + "\n")
        except OSError:
            return  # a full disk is for the fit to tell
