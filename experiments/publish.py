"""Showing a report elsewhere: as files in the workspace, and as runs in MLflow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from experiments.report.files import files
from experiments.report.mlflow_view import run_record
from experiments.report.summary import summarise
from workbench.assets import write_whole
from workbench.errors import TrackingError
from workbench.processes import is_first
from workbench.tracking import Tracker, tracking_uri

if TYPE_CHECKING:
    from pathlib import Path

    from experiments.record import Record
    from experiments.report.document import Report
    from experiments.workspace import Workspace
    from workbench.contracts import Listener


def write_files(report: Report, folder: Path) -> Path:
    """Write ``report.html``, ``report.json`` and the figures into ``folder``; return the path of the page."""
    for name, content in files(report).items():
        write_whole(folder / name, content)
    return folder / "report.html"


class Publisher:
    """Keeps MLflow up with a run. A server that fails is left alone until the end; the run does not notice."""

    def __init__(self, workspace: Workspace, listener: Listener) -> None:
        """Publish to the tracking server of ``workspace``; ``listener`` hears of trouble, once."""
        self.tracker = Tracker(tracking_uri(workspace.root))
        self.listener = listener
        self.trouble: TrackingError | None = None

    def stage(self, record: Record) -> None:
        """Log the metrics of a stage that has just finished."""
        if self.trouble is None and is_first():
            self._try(summarise(record), artifacts=False)

    def finish(self, report: Report) -> bool:
        """Log everything, pictures included; return whether it arrived."""
        known, self.trouble = self.trouble, None
        if is_first():
            self._try(report, artifacts=True, silently=known is not None)
        return self.trouble is None

    def _try(self, report: Report, artifacts: bool, silently: bool = False) -> None:
        try:
            self.tracker.sync(report.record.experiment, run_record(report, artifacts=artifacts))
        except TrackingError as error:
            self.trouble = error
            if not silently:
                self.listener.say(f"Tracking: {error}")
