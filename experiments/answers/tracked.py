"""Adapters in MLflow: logged as runs of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.experiments.engine.publish import LAST_PATIENCE, writing_tracker
from adapter_workbench.experiments.engine.system_metrics import points
from adapter_workbench.experiments.reporting.adapter_run import ABOUT, EXPERIMENT, run_record
from adapter_workbench.workbench.errors import TrackingError, UnwritableError
from adapter_workbench.workbench.machine.processes import is_first

if TYPE_CHECKING:
    from collections.abc import Mapping

    from adapter_workbench.experiments.workspace import Workspace
    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
    from adapter_workbench.workbench.machine.listener import Listener
    from adapter_workbench.workbench.mlflow.run_record import RunRecord


def log(stored: StoredAdapter, workspace: Workspace, listener: Listener) -> None:
    """Log an adapter as a run of its own; a server that fails is said, and hinders nothing."""
    if not is_first():
        return
    try:
        tracker = writing_tracker(workspace)
        tracker.sync(EXPERIMENT, run_of(stored, workspace), ABOUT, LAST_PATIENCE)
    except (TrackingError, UnwritableError) as error:
        hint = f"The adapter is stored. `workbench adapters register {stored.id}` logs it, or the same command again."
        listener.say(f"Tracking: {TrackingError(error.what, where=error.where, hint=hint)}")


def run_of(stored: StoredAdapter, workspace: Workspace) -> RunRecord:
    """Return what MLflow should hold of an adapter."""
    counted = workspace.score(stored.manifest)
    return run_record(stored, test_scores(stored, workspace), counted, points(workspace.system(stored.id)))


def test_scores(stored: StoredAdapter, workspace: Workspace) -> Mapping[str, float]:
    """Return an adapter's scores on its test split; none where it was not tested."""
    from adapter_workbench.experiments.workspace.evaluating import (
        known_evaluation,  # torch and all: a rollback does not need it
    )

    evaluation = known_evaluation(workspace, stored)
    return evaluation.scores if evaluation else {}
