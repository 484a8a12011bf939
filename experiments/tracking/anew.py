"""What MLflow looks for in the folder that a workspace was moved or copied from, logged anew from the workspace."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from adapter_workbench.experiments.answers.tracked import run_of, test_scores
from adapter_workbench.experiments.engine.publish import log_whole, writing_tracker
from adapter_workbench.experiments.reporting.adapter_run import ABOUT, EXPERIMENT, entry
from adapter_workbench.experiments.studies import present_of
from adapter_workbench.workbench.adapters.name_resolution import registered_name
from adapter_workbench.workbench.errors import InputError, IntegrityError, TrackingError, UnwritableError
from adapter_workbench.workbench.files.locks import hold
from adapter_workbench.workbench.machine.processes import is_first
from adapter_workbench.workbench.mlflow.runs import root_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from adapter_workbench.experiments.reporting.presentation import Presentation
    from adapter_workbench.experiments.workspace import Workspace
    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
    from adapter_workbench.workbench.machine.listener import Listener
    from adapter_workbench.workbench.mlflow.relocation import MovedRuns
    from adapter_workbench.workbench.mlflow.tracker import Tracker

LOCK = "claims/mlflow"
UNREADABLE = (IntegrityError, InputError)  # damaged, or of an earlier version: whoever asks for it is told


def tracker_here(workspace: Workspace, say: Callable[[str], None]) -> Tracker:
    """Return the tracker of a workspace, to write with, after :func:`log_anew`.

    Raises:
        TrackingError: the store can only be read, or does not answer as it should.
    """
    tracker = writing_tracker(workspace)
    with suppress(UnwritableError), hold(workspace.root / LOCK, wait=True):
        log_anew(tracker, workspace, say)
    return tracker


def bring_here(workspace: Workspace, listener: Listener) -> None:
    """Do :func:`log_anew` after a run or a fit; trouble is said, and hinders nothing."""
    if not is_first():
        return
    try:
        tracker_here(workspace, listener.say)
    except TrackingError as error:
        listener.say(f"Tracking: {error}")


def log_anew(tracker: Tracker, workspace: Workspace, say: Callable[[str], None]) -> None:
    """Log anew what a moved or copied database has elsewhere, as far as the workspace holds it.

    What was cut off is completed by the next call.

    Args:
        tracker: of the database; nothing is done for a server, which stays where it is.
        workspace: holds what is logged.
        say: hears that it is done, since it takes a second or two for each experiment and each adapter.

    Raises:
        TrackingError: MLflow does not answer as it should.
    """
    left = tracker.moved_runs()
    experiments = dict(_experiments(workspace, left)) if left else {}
    adapters = list(_adapters(workspace, left)) if left else []
    if experiments or adapters:
        say(f"MLflow's database was made in another folder: {_counted(len(experiments), len(adapters))} logged anew.")
    for presentation in experiments.values():
        log_whole(tracker, presentation, workspace)
    for adapter in adapters:
        if _version(adapter) in left.versions:
            entered = entry(adapter, workspace.score(adapter.manifest), test_scores(adapter, workspace))
            tracker.register(EXPERIMENT, run_of(adapter, workspace), entered)
        else:
            tracker.sync(EXPERIMENT, run_of(adapter, workspace), ABOUT)
    if left:
        tracker.delete(left, [*experiments, *(adapter.identity for adapter in adapters)])


def _experiments(workspace: Workspace, left: MovedRuns) -> Iterator[tuple[str, Presentation]]:
    """Yield each experiment that has runs elsewhere: its record's identity, and what people see of it."""
    for name in workspace.records.names():
        with suppress(*UNREADABLE):
            identity = workspace.records.require(name).identity
            if root_of(identity) in left.roots:
                yield identity, present_of(workspace, name)


def _adapters(workspace: Workspace, left: MovedRuns) -> Iterator[StoredAdapter]:
    """Yield the adapters that have a run of their own or a version elsewhere."""
    versions = [adapter for _, adapter in left.versions]
    for name in dict.fromkeys([*versions, *sorted(left.adapters)]):  # versions in the order of their numbers
        if name in workspace.adapters:
            with suppress(*UNREADABLE):
                adapter = workspace.adapters.verify(name)
                if name in left.adapters or _version(adapter) in left.versions:
                    yield adapter


def _version(adapter: StoredAdapter) -> tuple[str, str]:
    return registered_name(adapter.manifest), adapter.id


def _counted(experiments: int, adapters: int) -> str:
    counts = [(experiments, "experiment"), (adapters, "adapter")]
    words = [f"{count} {name}{'' if count == 1 else 's'}" for count, name in counts if count]
    return f"{' and '.join(words)} {'is' if experiments + adapters == 1 else 'are'}"
