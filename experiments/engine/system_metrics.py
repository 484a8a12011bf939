"""The machine's load while something is trained: MLflow's own monitors, written to a file of the workspace.

MLflow's thread would write to the server, and wait if that hangs. This one writes a line for each sample, and the lines
are logged with the rest of the run. ``MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING=false`` switches it off,
``MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL`` is the time between samples, 10 seconds by default.
"""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.files.ordinary import append_text
from adapter_workbench.workbench.machine.processes import is_first
from adapter_workbench.workbench.mlflow.client_settings import quick_and_quiet

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
    text = os.environ.get(INTERVAL) or str(SECONDS)
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not seconds > 0:
        raise InputError(f"{text!r} is not a number of seconds", where=f"${INTERVAL}", hint="The default is 10.")
    return seconds


def points(file: Path) -> tuple[tuple[str, float | None, int], ...]:
    """Return the samples as metrics of a run; the step is the number of the sample."""
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
    """Return the monitors that work here: processor and memory, and GPUs if their driver answers."""
    with quick_and_quiet():
        from mlflow.system_metrics.metrics.cpu_monitor import CPUMonitor
        from mlflow.system_metrics.metrics.gpu_monitor import GPUMonitor

    try:
        monitors = [CPUMonitor(), GPUMonitor()]
    except (ImportError, RuntimeError):
        monitors = [CPUMonitor()]
    _read_monitors(monitors)  # the first values are the load since an earlier reading
    return monitors


def _read_monitors(monitors: list[Any]) -> dict[str, float]:
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
            append_text(file, json.dumps(_read_monitors(monitors)) + "\n")
        except OSError:
            return  # the fit reports a full disk
