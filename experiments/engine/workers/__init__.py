"""The workers that do the pieces of a plan: this process alone, or several processes that Ray starts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from adapter_workbench.experiments.engine.workers.inline import Inline
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.machine import processes
from adapter_workbench.workbench.machine.extras import require_extra

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from adapter_workbench.experiments.engine.piece import Piece
    from adapter_workbench.experiments.engine.workers.machine import Machine
    from adapter_workbench.experiments.workspace import Workspace
    from adapter_workbench.workbench.machine.listener import Listener


class Workers(Protocol):
    """Do the pieces of a run.

    Attributes:
        jobs: how many processes share the cores of a machine.
        machines: those of a cluster that took part, for people; empty without a cluster.
    """

    jobs: int
    machines: tuple[str, ...]

    def do(
        self, pieces: Sequence[Piece], workspace: Workspace, listener: Listener, on_done: Callable[[Piece], None]
    ) -> None:
        """Do every piece that is not done, and write its results to ``workspace``.

        Args:
            pieces: in an order in which what a piece needs stands before it.
            workspace: of a run, which mends damage.
            listener: hears how it goes, in the thread that calls.
            on_done: is called with each piece that had not been done, in the thread that calls.

        Raises:
            WorkbenchError: a piece failed; finished pieces are kept.
            InputError: by forecast a piece takes more memory than any machine has; nothing was done.
        """


def workers(jobs: int = 1, cluster: str | None = None) -> Workers:
    """Return the workers of a run; Ray is imported only for more than one process.

    Args:
        jobs: how many processes share the cores of a machine.
        cluster: address of a cluster of Ray's; None for this machine alone.

    Raises:
        InputError: fewer than one process, Ray is not installed, or processes share each fit already.
    """
    if jobs < 1:
        raise InputError(f"{jobs} processes cannot work", where="--jobs", hint="Take 1 or more.")
    if jobs == 1 and cluster is None:
        return Inline()
    option = "--jobs" if cluster is None else "--cluster"
    if processes.count() > 1:
        hint = f"Start it without a launcher, or leave {option} out."
        raise InputError("several processes share each fit already", where=option, hint=hint)
    require_extra("cluster", option)
    from adapter_workbench.experiments.engine.workers.cluster import join_cluster
    from adapter_workbench.experiments.engine.workers.local_ray import local_ray
    from adapter_workbench.experiments.engine.workers.ray import RayWorkers

    return RayWorkers(lambda root: local_ray(jobs) if cluster is None else join_cluster(cluster, jobs, root), jobs=jobs)


def machines(cluster: str) -> Sequence[Machine]:
    """Return the machines of a cluster of Ray's.

    Raises:
        InputError: Ray is not installed, or no cluster answers there.
    """
    require_extra("cluster", "--cluster")
    from adapter_workbench.experiments.engine.workers import cluster as of_ray

    return of_ray.machines(cluster)
