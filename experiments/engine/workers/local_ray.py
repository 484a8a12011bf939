"""Ray on this machine, for as long as a run takes: nothing is sent anywhere, and nobody else can talk to it."""

from __future__ import annotations

import math
import os
import secrets
import sys
import tempfile
from contextlib import chdir, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from adapter_workbench.experiments.engine.provenance import threads_of_each
from adapter_workbench.experiments.engine.workers.memory_budget import memory_here
from adapter_workbench.experiments.engine.workers.process_folder import delete_abandoned, process_folder
from adapter_workbench.experiments.engine.workers.signal_handlers import keep_handlers
from adapter_workbench.experiments.engine.workers.worker_slot import WorkerSlot, device_share
from adapter_workbench.workbench.errors import InputError, WorkError, reason
from adapter_workbench.workbench.machine.interpreter import SAFE_PATH, environment

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

OPTION = "--jobs"
OBJECT_STORE = 200_000_000  # bytes of shared memory for what is handed out; Ray would take 30 % of the machine
LONGEST = 40  # characters of a folder in which the names of Ray's sockets are short enough for the system
TOKEN = secrets.token_hex(32)  # Ray keeps the first that it reads in a process
VARIABLES = {
    **SAFE_PATH,
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_TOKEN": TOKEN,
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "AUTOSCALER_METRIC_PORT": "-1",  # no port at all: it would be open to every machine, without a token
}
SET_BY_RAY = ("RAY_AUTH_MODE",)
PREFIX = "workbench-ray-"
TRIES = 5  # to start: Ray gives up after 30 s, which is little on a machine that is busy


@contextmanager
def local_ray(jobs: int) -> Iterator[Sequence[WorkerSlot]]:
    """Yield slots for ``jobs`` processes that share the cores and devices of this machine.

    Raises:
        InputError: this process uses Ray already: its machines and cores may be others.
        WorkError: Ray does not start.
    """
    import ray
    import torch

    if ray.is_initialized():
        raise InputError("this process uses Ray already", where=OPTION, hint="Call ray.shutdown() before.")
    devices = torch.cuda.device_count()
    options = {"num_cpus": 1, "num_gpus": device_share(devices, jobs)}
    memory = math.inf if devices else memory_here()
    slots = [WorkerSlot(threads_of_each(jobs), options, memory_mb=memory)] * jobs
    with _folder() as folder:
        try:
            _start(folder, jobs, devices)
            yield slots
        finally:
            ray.shutdown()
            _end_all(folder)


@contextmanager
def _folder() -> Iterator[Path]:
    """Yield a folder for sockets and logs, which is deleted after the block; a killed run leaves it to the next one."""
    system = Path(tempfile.gettempdir())
    parent = system if len(str(system)) < LONGEST - 22 else Path("/tmp")
    delete_abandoned(parent, PREFIX)
    with process_folder(parent, PREFIX) as folder:
        yield folder


def _start(folder: Path, jobs: int, devices: int) -> None:
    import ray

    # processes import what this one would, wherever that lies; Ray puts the current folder first on their path, so
    # that it has to be an empty one
    variables = {**VARIABLES, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    options: dict[str, Any] = {
        "_temp_dir": str(folder),
        "include_dashboard": False,
        "log_to_driver": False,
        "logging_level": "ERROR",
        "num_cpus": jobs,
        "num_gpus": devices,
        "object_store_memory": OBJECT_STORE,
    }
    if sys.platform == "linux":
        options["_node_ip_address"] = "127.0.0.2"  # 127.0.0.1 is replaced by an address that others can reach
    with environment(variables, SET_BY_RAY), keep_handlers(), chdir(folder):
        for tries_left in reversed(range(TRIES)):
            try:
                ray.init(address="local", **options)
                return
            except Exception as error:  # Ray raises plain ones
                _end_all(folder)
                if not tries_left:
                    hint = "The same run works without --jobs."
                    raise WorkError(f"Ray does not start: {reason(error)}", where=OPTION, hint=hint) from error


def _end_all(folder: Path) -> None:
    """Kill the remaining processes of Ray: all of them have the folder in their command."""
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            if str(folder) in " ".join(child.cmdline()):
                child.kill()
