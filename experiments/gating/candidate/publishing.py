"""The report on a candidate, logged to MLflow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.experiments.gating.candidate.present import present
from adapter_workbench.experiments.gating.candidate.tracking import ABOUT, EXPERIMENT
from adapter_workbench.experiments.reporting.files import files
from adapter_workbench.experiments.reporting.mlflow_run import run_record
from adapter_workbench.experiments.tracking.anew import tracker_here
from adapter_workbench.workbench.errors import TrackingError, UnwritableError
from adapter_workbench.workbench.machine.processes import is_first

if TYPE_CHECKING:
    from adapter_workbench.experiments.gating.candidate.report import CandidateReport
    from adapter_workbench.experiments.workspace import Workspace
    from adapter_workbench.workbench.machine.listener import Listener


def log(report: CandidateReport, workspace: Workspace, listener: Listener) -> None:
    """Log a report as a run; the same two adapters are the same run.

    Raises:
        TrackingError: the server does not answer, or its store can only be read.
    """
    presentation = present(report)
    record = run_record(presentation, files(presentation))
    tracker_here(workspace, listener.say).sync(EXPERIMENT, record, ABOUT)


def log_or_say(report: CandidateReport, workspace: Workspace, listener: Listener) -> None:
    """Log a report; a server that fails is said, and hinders nothing."""
    if not is_first():
        return
    try:
        log(report, workspace, listener)
    except (TrackingError, UnwritableError) as error:
        again = f"workbench adapters compare {report.champion} {report.candidate} --log"
        listener.say(f"Tracking: {TrackingError(error.what, where=error.where, hint=f'Later: {again}')}")
