"""A cluster of Ray's that runs already: a run joins it, and leaves it as it was."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Iterable, Mapping
from contextlib import chdir, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from adapter_workbench.experiments.engine.workers.machine import Machine
from adapter_workbench.experiments.engine.workers.signal_handlers import keep_handlers
from adapter_workbench.experiments.engine.workers.worker_slot import WorkerSlot, device_share
from adapter_workbench.workbench.errors import InputError, reason
from adapter_workbench.workbench.files import atomic
from adapter_workbench.workbench.files.scratch import scratch_folder
from adapter_workbench.workbench.machine.extras import installed_version
from adapter_workbench.workbench.machine.package_versions import DISTRIBUTION, PACKAGES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

OPTION = "--cluster"
BEGIN = "`ray start --head` begins a cluster, and prints its address; `auto` is the one of this machine."
PATIENCE = 5.0  # seconds that a cluster has to answer


@contextmanager
def join_cluster(address: str, jobs: int, root: Path) -> Iterator[Sequence[WorkerSlot]]:
    """Yield slots for ``jobs`` processes on every machine of a cluster.

    Args:
        address: ``auto`` for the cluster that this machine is a part of; ``HOST:PORT`` says which, if of several.
        jobs: how many processes share the cores and the devices of a machine.
        root: the workspace; each slot says whether its machine sees it.

    Raises:
        InputError: no cluster answers there, no machine of it computes, or one cannot work, or has other packages.
    """
    with _connection(address):
        slots = _slots(jobs, root)
        yield [slot for slot in slots for _ in range(jobs)]


def machines(address: str) -> list[Machine]:
    """Return the machines of a cluster; raises InputError as :func:`join_cluster`."""
    with _connection(address):
        return _machines()


@contextmanager
def _connection(address: str) -> Iterator[None]:
    import ray

    if ray.is_initialized():
        raise InputError("this process uses Ray already", where=OPTION, hint="Call ray.shutdown() before.")
    _require_answer(address)
    with scratch_folder() as empty, keep_handlers(), chdir(empty):
        try:  # in an empty folder: Ray puts it first on the path of its processes
            ray.init(address=address, log_to_driver=False, logging_level="ERROR")
        except Exception as error:  # Ray raises plain ones
            hint = BEGIN if address == "auto" else f"This machine has to join first: `ray start --address {address}`."
            raise InputError(f"no cluster can be joined: {reason(error)}", where=OPTION, hint=hint) from error
    try:
        yield
    finally:
        ray.shutdown()


def _machines() -> list[Machine]:
    """Return the machines that can compute."""
    import ray

    return [Machine.of(node) for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU")]


def _slots(jobs: int, root: Path) -> list[WorkerSlot]:
    """Return a slot on each machine. Ray still lists a machine that has just gone: it is tried again without it."""
    while True:
        slots = [_slot(machine, jobs) for machine in _machines()]
        if not slots:
            hint = "Let one join that computes: `ray start --address HOST:PORT`."
            raise InputError("no machine of this cluster has processors to lend", where=OPTION, hint=hint)
        try:
            return _with_visibility(slots, root)
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
        raise InputError(f"{address!r} is not HOST:PORT", where=OPTION, hint=BEGIN) from None
    except (OSError, OverflowError) as error:
        raise InputError(f"no cluster answers at {address}: {reason(error)}", where=OPTION, hint=BEGIN) from error


def _slot(machine: Machine, jobs: int) -> WorkerSlot:
    options = {
        "num_cpus": machine.cores / jobs,
        "num_gpus": device_share(machine.devices, jobs),
        "scheduling_strategy": _placed_on(machine.id),
    }
    threads = max(1, int(machine.cores) // jobs)
    return WorkerSlot(threads, options, machine.id, machine.address, machine.available_mb)


def _placed_on(machine: str) -> object:
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    return NodeAffinitySchedulingStrategy(machine, soft=False)


def _with_visibility(slots: Sequence[WorkerSlot], root: Path) -> list[WorkerSlot]:
    """Return the slots, each knowing whether its machine sees the workspace: it looks for a file with a new token."""
    import ray

    token = secrets.token_hex(16)
    try:
        with atomic.folder_beside(root / "cluster") as folder:  # of this run alone: others may join at the same time
            marker = folder / "token"
            atomic.write_whole(marker, token)
            here = {"scheduling_strategy": _placed_on(ray.get_runtime_context().get_node_id())}
            machines = (here, *(slot.options for slot in slots))
            everywhere = [{**options, "num_cpus": 0, "num_gpus": 0} for options in machines]  # no core has to be free
            answers = [ray.remote(machine_report).options(**options).remote(marker, token) for options in everywhere]
            this_machine, *others = ray.get(answers)
    except ray.exceptions.RayError as error:
        hint = "Every machine needs the same version of this package, in the environment in which Ray was started."
        raise InputError(f"a machine cannot work: {reason(error)}", where=OPTION, hint=hint) from error
    if not this_machine.sees_workspace:
        hint = "Begin Ray on this machine as the user, and in the container, that has the workspace."
        raise InputError("the Ray of this machine does not see the workspace", where=str(root), hint=hint)
    addresses = ("the Ray of this machine", *(slot.address for slot in slots))
    require_same_versions(zip(addresses, (this_machine, *others), strict=True), OPTION)
    return [replace(slot, sees_workspace=report.sees_workspace) for slot, report in zip(slots, others, strict=True)]


# What a machine of a cluster says of itself before it gets work.


@dataclass(frozen=True)
class MachineReport:
    """What a machine says of itself."""

    sees_workspace: bool  # whether it reads the same files in the folder of the workspace
    # package → version, of this one and those that numbers depend on; None where it is not installed
    versions: Mapping[str, str | None]


def machine_report(marker: Path, token: str) -> MachineReport:
    """Return the report of the machine where this is called; it sees the workspace if ``marker`` holds ``token``."""
    sees = marker.is_file() and marker.read_text(encoding="utf-8") == token
    return MachineReport(sees, _versions())


def require_same_versions(reports: Iterable[tuple[str, MachineReport]], where: str) -> None:
    """Make sure that each machine computes with the versions of this one, which the keys of results hold.

    Args:
        reports: each with the address of its machine.
        where: the option that names the cluster.

    Raises:
        InputError: some have other versions; the message names them.
    """
    here = _versions()
    wrong = []
    for address, report in reports:
        differing = [name for name in here if report.versions[name] != here[name]]
        named = [f"{name} {report.versions[name] or 'missing'} (here {here[name] or 'missing'})" for name in differing]
        if named:
            wrong.append(f"{address} has {', '.join(named)}")
    if wrong:
        hint = "Install the same versions in the environment in which Ray was started there, and start Ray again."
        raise InputError(f"machines have other packages: {'; '.join(wrong)}", where=where, hint=hint)


def _versions() -> dict[str, str | None]:
    return {name: installed_version(name) for name in (DISTRIBUTION, *PACKAGES)}
