"""A cluster of Ray's that runs already: joined for as long as a run takes, and left as it was."""

from __future__ import annotations

import secrets
import socket
import tempfile
from contextlib import chdir, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from experiments.engine.workers.machine import Machine
from experiments.engine.workers.signal_handlers import handlers_kept
from experiments.engine.workers.slot import Slot, share
from workbench.errors import InputError, reason
from workbench.files import atomic

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

OPTION = "--cluster"
BEGIN = "`ray start --head` begins a cluster, and prints its address; `auto` is the one of this machine."
PATIENCE = 5.0  # seconds that a cluster has to answer


@contextmanager
def joined(address: str, jobs: int, root: Path) -> Iterator[Sequence[Slot]]:
    """Yield room for ``jobs`` processes on every machine of a cluster.

    Args:
        address: ``auto`` for the cluster that this machine is a part of, else ``HOST:PORT``.
        jobs: how many processes share the cores and the devices of a machine.
        root: the workspace; a slot says whether its machine sees it.

    Raises:
        InputError: no cluster answers there, or a machine of it cannot work.
    """
    with _connected(address):
        slots = _usable(jobs, root)
        yield [slot for slot in slots for _ in range(jobs)]


def machines(address: str) -> list[Machine]:
    """Return the machines of a cluster; raises InputError as :func:`joined`."""
    with _connected(address):
        return _machines()


@contextmanager
def _connected(address: str) -> Iterator[None]:
    import ray

    if ray.is_initialized():
        raise InputError("this process uses Ray already", where=OPTION, hint="Call ray.shutdown() before.")
    _require_answer(address)
    with tempfile.TemporaryDirectory(prefix="workbench-") as empty, handlers_kept(), chdir(empty):
        try:  # in an empty folder: Ray puts it first on the path of its processes
            ray.init(address=address, log_to_driver=False, logging_level="ERROR")
        except Exception as error:  # Ray raises plain ones
            raise InputError(f"no cluster can be joined: {reason(error)}", where=OPTION, hint=BEGIN) from error
    try:
        yield
    finally:
        ray.shutdown()


def _machines() -> list[Machine]:
    """Return the machines that can compute."""
    import ray

    return [Machine.of(node) for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU")]


def _usable(jobs: int, root: Path) -> list[Slot]:
    """Return room for a process on each machine; one that has just gone is seen for some seconds, and left out then."""
    while True:
        slots = [_slot(machine, jobs) for machine in _machines()]
        try:
            return _looked_at(slots, root)
        except InputError:
            if {slot.machine for slot in slots} <= {machine.id for machine in _machines()}:
                raise


def _require_answer(address: str) -> None:
    """Make sure that somebody listens at an address: Ray would try for minutes, and print each failure."""
    if address == "auto":
        return
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=PATIENCE).close()
    except ValueError:
        raise InputError(f"{address!r} is no HOST:PORT", where=OPTION, hint=BEGIN) from None
    except (OSError, OverflowError) as error:
        raise InputError(f"no cluster answers at {address}: {reason(error)}", where=OPTION, hint=BEGIN) from error


def _slot(machine: Machine, jobs: int) -> Slot:
    options = {
        "num_cpus": machine.cores / jobs,
        "num_gpus": share(machine.devices, jobs),
        "scheduling_strategy": _on(machine.id),
    }
    threads = max(1, int(machine.cores) // jobs)
    return Slot(threads, options, machine.id, machine.address, machine.room_mb)


def _on(machine: str) -> object:
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    return NodeAffinitySchedulingStrategy(machine, soft=False)


def _looked_at(slots: Sequence[Slot], root: Path) -> list[Slot]:
    """Return the slots with whether they see the workspace, by a file with a token that nobody else writes."""
    import ray

    token = secrets.token_hex(16)
    try:
        with atomic.folder_beside(root / "cluster") as folder:  # of this run alone: others may join at the same time
            marker = folder / "token"
            atomic.write_whole(marker, token)
            here = {"scheduling_strategy": _on(ray.get_runtime_context().get_node_id())}
            there = [{**options, "num_cpus": 0, "num_gpus": 0} for options in (here, *(slot.options for slot in slots))]
            asked = [ray.remote(_reads).options(**options).remote(marker, token) for options in there]
            own, *seen = ray.get(asked)  # no core has to be free for it
    except ray.exceptions.RayError as error:
        hint = "Every machine needs the same version of this package, in the environment in which Ray was started."
        raise InputError(f"a machine cannot work: {reason(error)}", where=OPTION, hint=hint) from error
    if not own:
        hint = "Begin Ray on this machine as the user, and in the container, that has the workspace."
        raise InputError("the Ray of this machine does not see the workspace", where=str(root), hint=hint)
    return [replace(slot, sees=sees) for slot, sees in zip(slots, seen, strict=True)]


def _reads(marker: Path, token: str) -> bool:
    return marker.is_file() and marker.read_text(encoding="utf-8") == token
