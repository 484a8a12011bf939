"""Showing a run elsewhere while it goes on and when it ends: as files in the workspace, and as runs in MLflow."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.engine.system_metrics import points
from experiments.reporting import mlflow_run
from experiments.reporting.adapter_run import ABOUT, EXPERIMENT, entry, run_record
from experiments.reporting.files import files
from workbench.atomic import write_whole
from workbench.errors import TrackingError, UnwritableError
from workbench.mlflow.address import tracking_uri
from workbench.mlflow.tracker import Tracker
from workbench.processes import is_first

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from experiments.reporting.presentation import Presentation
    from experiments.workspace import Workspace
    from workbench.listener import Listener
    from workbench.mlflow.registration import Registered
    from workbench.mlflow.rollback import RolledBack
    from workbench.mlflow.run_record import RunRecord
    from workbench.stored_adapter import StoredAdapter


EFFECTIVE = os.access in os.supports_effective_ids
PAUSE = 60.0  # seconds that a server which failed is left alone
SHARE = 0.05  # of a run's time that may go into logging while it goes on
PATIENCE, LAST_PATIENCE = 20.0, 120.0  # seconds that a step, and the end of a run or of a fit, wait for a slow one


def with_load(run: RunRecord, presentation: Presentation, workspace: Workspace) -> RunRecord:
    """Return the MLflow run of an experiment with what the machine's load was while it was worked on."""
    return replace(run, metrics=(*run.metrics, *points(workspace.system(presentation.experiment))))


class Publisher:
    """Keeps MLflow up with a run, which never fails and hardly ever waits for the sake of it.

    After each sync there is a pause, so that all of them together take a small share of the time however many tasks a
    stream has. A server that fails is asked again after a longer one. The end brings all that was missed.
    """

    def __init__(self, workspace: Workspace, listener: Listener) -> None:
        """Publish to the tracking server of ``workspace``; ``listener`` hears of trouble, once."""
        self.workspace, self.listener = workspace, listener
        self.tracker = Tracker(tracking_uri(workspace.root), listener.say)
        self.told = False
        self.rests_until = 0.0

    def update(self, part: Callable[[], Presentation | None]) -> None:
        """Log the part of an experiment that has just changed; nothing is read during a pause."""
        began = time.monotonic()
        if is_first() and began >= self.rests_until and (presentation := part()):
            arrived = self._try(presentation, mlflow_run.progress(presentation), PATIENCE)
            if arrived:
                self.rests_until = time.monotonic() + (time.monotonic() - began) / SHARE

    def finish(self, presentation: Presentation) -> bool:
        """Write the page, the figures and the document; log everything, and return whether it arrived."""
        if not is_first():
            return True
        drawn = files(presentation)
        try:
            for name, content in drawn.items():
                write_whole(self.workspace.experiment(presentation.experiment) / name, content)
        except UnwritableError:
            return False  # a workspace that can only be read: nothing of the run is new
        return self._try(presentation, mlflow_run.run_record(presentation, drawn), LAST_PATIENCE)

    def _try(self, presentation: Presentation, run: RunRecord, within: float) -> bool:
        try:
            self.tracker.sync(
                presentation.tracked, with_load(run, presentation, self.workspace), presentation.about, within
            )
        except (TrackingError, UnwritableError) as error:
            self.rests_until = time.monotonic() + PAUSE
            if not self.told:
                self.listener.say(f"Tracking: {error}")
            self.told = True
            return False
        return True


def writing_tracker(workspace: Workspace, say: Callable[[str], None]) -> Tracker:
    """Return the tracker of a workspace, to write with; ``say`` hears that its database was moved.

    Raises:
        TrackingError: its store is a file that can only be read, of which MLflow itself makes many lines.
    """
    uri = tracking_uri(workspace.root)
    store = Path(uri.removeprefix("sqlite:///"))
    if uri.startswith("sqlite:///") and store.exists() and not os.access(store, os.W_OK, effective_ids=EFFECTIVE):
        hint = "Set MLFLOW_TRACKING_URI to a store that can be written."
        raise TrackingError("this store can only be read", where=uri, hint=hint)
    return Tracker(uri, say)


def log(stored: StoredAdapter, workspace: Workspace, listener: Listener) -> None:
    """Log an adapter as a run of its own; a server that fails is said, and hinders nothing."""
    if not is_first():
        return
    try:
        tracker = writing_tracker(workspace, listener.say)
        tracker.sync(EXPERIMENT, _run(stored, workspace), ABOUT, LAST_PATIENCE)
    except (TrackingError, UnwritableError) as error:
        hint = f"The adapter is stored. `workbench adapters register {stored.id}` logs it, or the same command again."
        listener.say(f"Tracking: {TrackingError(error.what, where=error.where, hint=hint)}")


def register(stored: StoredAdapter, workspace: Workspace, listener: Listener) -> Registered:
    """Log an adapter where it is not logged yet, and enter it into the model registry.

    Raises:
        TrackingError: the server does not answer, or cannot register models.
    """
    tracker = writing_tracker(workspace, listener.say)
    return tracker.register(EXPERIMENT, _run(stored, workspace), entry(stored, _test_scores(stored, workspace)))


def roll_back(name: str, to: str | None, workspace: Workspace, listener: Listener) -> RolledBack:
    """Move the alias ``champion`` of a registered model back; raises as :meth:`workbench.mlflow.tracker.Tracker`."""
    moved = writing_tracker(workspace, listener.say).roll_back(name, to)
    if moved.now.adapter not in workspace.adapters.ids():
        listener.say(f"{moved.now.adapter} is not in this workspace: `workbench predict` answers with another adapter.")
    return moved


def _run(stored: StoredAdapter, workspace: Workspace) -> RunRecord:
    return run_record(stored, _test_scores(stored, workspace), points(workspace.system(stored.id)))


def _test_scores(stored: StoredAdapter, workspace: Workspace) -> Mapping[str, float]:
    """Return an adapter's scores on its test split; none where it was not tested."""
    from experiments.workspace.evaluating import known  # torch and all: who logs a report does not need it

    evaluation = known(workspace, stored)
    return evaluation.scores if evaluation else {}
