"""Showing a comparison of compositions elsewhere: as files in the workspace, and as runs in MLflow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from experiments.composing.mlflow_view import experiment_of, run_record
from experiments.composing.page import files
from experiments.composing.summary import summarise_fusion
from workbench.assets import write_whole
from workbench.errors import TrackingError
from workbench.processes import is_first
from workbench.tracking import Tracker, tracking_uri

if TYPE_CHECKING:
    from experiments.composing.record import FusionRecord
    from experiments.composing.report import FusionReport
    from experiments.workspace import Workspace
    from workbench.contracts import Listener


class FusionPublisher:
    """Keeps MLflow up with a comparison; a server that fails is left alone until the end."""

    def __init__(self, workspace: Workspace, listener: Listener) -> None:
        """Publish to the tracking server of ``workspace``; ``listener`` hears of trouble, once."""
        self.workspace, self.listener = workspace, listener
        self.tracker = Tracker(tracking_uri(workspace.root))
        self.trouble: TrackingError | None = None

    def seed(self, record: FusionRecord) -> None:
        """Log what is known after a seed has been completed, without pictures."""
        if self.trouble is None and is_first() and len(record.seeds) > 1:
            self._sync(summarise_fusion(record, self.workspace.trials), artifacts=False)

    def finish(self, report: FusionReport) -> None:
        """Write the page, the figures and the document, and log everything."""
        if not is_first():
            return
        for name, content in files(report).items():
            write_whole(self.workspace.experiment(report.record.experiment) / name, content)
        self._sync(report, artifacts=True)

    def _sync(self, report: FusionReport, artifacts: bool) -> None:
        try:
            self.tracker.sync(experiment_of(report.record), run_record(report, artifacts))
        except TrackingError as error:
            if self.trouble is None:
                self.listener.say(f"Tracking: {error}")
            self.trouble = error
