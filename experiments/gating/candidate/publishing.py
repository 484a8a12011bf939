"""The report on a candidate, logged to MLflow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from experiments.gating.candidate.present import present
from experiments.gating.candidate.tracking import ABOUT, EXPERIMENT
from experiments.reporting.files import files
from experiments.reporting.mlflow_run import run_record
from experiments.tracking.anew import tracker_here

if TYPE_CHECKING:
    from experiments.gating.candidate.report import CandidateReport
    from experiments.workspace import Workspace
    from workbench.machine.listener import Listener


def log(report: CandidateReport, workspace: Workspace, listener: Listener) -> None:
    """Log a report as a run; the same two adapters are the same run.

    Raises:
        TrackingError: the server does not answer, or its store can only be read.
    """
    presentation = present(report)
    record = run_record(presentation, files(presentation))
    tracker_here(workspace, listener.say).sync(EXPERIMENT, record, ABOUT)
