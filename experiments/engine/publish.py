"""Writes a run to files of the workspace and to MLflow, while it goes on and when it ends."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from adapter_workbench.experiments.engine.system_metrics import points
from adapter_workbench.experiments.reporting import mlflow_run
from adapter_workbench.experiments.reporting.files import files
from adapter_workbench.workbench.errors import TrackingError, UnwritableError
from adapter_workbench.workbench.files.atomic import write_whole
from adapter_workbench.workbench.files.size_limit import says_too_large
from adapter_workbench.workbench.machine.processes import is_first
from adapter_workbench.workbench.mlflow.address import database_of, printable_address, tracking_uri
from adapter_workbench.workbench.mlflow.database import is_writable
from adapter_workbench.workbench.mlflow.tracker import Tracker

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapter_workbench.experiments.reporting.presentation import Presentation
    from adapter_workbench.experiments.workspace import Workspace
    from adapter_workbench.workbench.machine.listener import Listener
    from adapter_workbench.workbench.mlflow.run_record import RunRecord

PAUSE = 60.0  # shortest time, in seconds, until a server that failed is tried again
SHARE = 0.05  # of a run's time that may go into logging while it goes on
PATIENCE, LAST_PATIENCE = 20.0, 120.0  # seconds to wait for a slow server: after a piece, and at the end of a run


class Publisher:
    """Logs a run to MLflow. Errors are reported once and never end the run.

    After each sync there is a pause, so that all of them together take a small share of the time, however many tasks a
    stream has. After an error the pause is longer. What was missed is logged at the end.
    """

    def __init__(self, workspace: Workspace, listener: Listener) -> None:
        """Publish to the tracking server of ``workspace``; ``listener`` hears of the first error."""
        self.workspace, self.listener = workspace, listener
        self.tracker = Tracker(tracking_uri(workspace.root))
        self._reported = False
        self._paused_until = 0.0

    def update(self, present_change: Callable[[], Presentation | None]) -> None:
        """Log the part of an experiment that has just changed; during a pause it is not even read."""
        began = time.monotonic()
        if is_first() and began >= self._paused_until and (presentation := present_change()):
            logged = self._try(presentation, mlflow_run.progress(presentation), PATIENCE)
            ended = time.monotonic()
            self._paused_until = ended + max((ended - began) / SHARE, 0.0 if logged else PAUSE)

    def finish(self, presentation: Presentation) -> bool:
        """Write the page, the figures and the document; log everything, and return whether that worked."""
        if not is_first():
            return True
        drawn = files(presentation)
        try:
            for name, content in drawn.items():
                write_whole(self.workspace.experiment(presentation.experiment) / name, content)
        except UnwritableError as error:
            if says_too_large(error.__cause__):
                raise
            return False  # a workspace that can only be read: the run did nothing new
        return self._try(presentation, mlflow_run.run_record(presentation, drawn), LAST_PATIENCE)

    def _try(self, presentation: Presentation, run: RunRecord, within: float) -> bool:
        try:
            _sync(self.tracker, presentation, run, self.workspace, within)
        except (TrackingError, UnwritableError) as error:
            if not self._reported:
                self.listener.say(f"Tracking: {error}")
            self._reported = True
            return False
        return True


def writing_tracker(workspace: Workspace) -> Tracker:
    """Return the tracker of a workspace, to write with.

    Raises:
        TrackingError: its store is a file that can only be read; MLflow's own message has many lines.
    """
    uri = tracking_uri(workspace.root)
    store = database_of(uri)
    if store is not None and store.exists() and not is_writable(store):
        hint = "Set MLFLOW_TRACKING_URI to a store that can be written."
        raise TrackingError("this store can only be read", where=printable_address(uri), hint=hint)
    workspace.champions.begin()
    return Tracker(uri)


def log_whole(tracker: Tracker, presentation: Presentation, workspace: Workspace) -> None:
    """Write to MLflow whatever of an experiment is not there yet.

    Args:
        tracker: of the store.
        presentation: of the experiment.
        workspace: of the experiment; it has the machine's load during the run.

    Raises:
        TrackingError: the server does not answer.
    """
    _sync(tracker, presentation, mlflow_run.run_record(presentation, files(presentation)), workspace)


def _sync(
    tracker: Tracker, presentation: Presentation, run: RunRecord, workspace: Workspace, within: float = math.inf
) -> None:
    """Log the run of an experiment, with the machine's load meanwhile."""
    workspace.champions.begin()
    load = points(workspace.system(presentation.experiment))
    tracker.sync(presentation.tracked, replace(run, metrics=(*run.metrics, *load)), presentation.about, within)
