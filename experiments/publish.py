"""Showing a run elsewhere while it goes on and when it ends: as files in the workspace, and as runs in MLflow."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from experiments.adapter_view import EXPERIMENT, entry, run_record
from experiments.system_metrics import points
from workbench.assets import write_whole
from workbench.errors import TrackingError
from workbench.processes import is_first
from workbench.tracking import Tracker, tracking_uri

if TYPE_CHECKING:
    from experiments.views import View
    from experiments.workspace import Workspace
    from workbench.contracts import Listener
    from workbench.registration import Registered
    from workbench.store import StoredAdapter
    from workbench.tracking import RunRecord


def tracked(view: View, workspace: Workspace, artifacts: bool = True) -> RunRecord:
    """Return the MLflow run of an experiment, with what the machine's load was; with pictures and models or without."""
    record = view.run(artifacts)
    return replace(record, metrics=(*record.metrics, *points(workspace.system(view.experiment))))


class Publisher:
    """Keeps MLflow up with a run. A server that fails is left alone until the end; the run does not notice."""

    def __init__(self, workspace: Workspace, listener: Listener) -> None:
        """Publish to the tracking server of ``workspace``; ``listener`` hears of trouble, once."""
        self.workspace, self.listener = workspace, listener
        self.tracker = Tracker(tracking_uri(workspace.root))
        self.trouble: TrackingError | None = None

    def update(self, view: View) -> None:
        """Log what is known by now, without pictures."""
        if self.trouble is None and is_first():
            self._try(view, artifacts=False)

    def finish(self, view: View) -> bool:
        """Write the page, the figures and the document; log everything, and return whether it arrived."""
        known, self.trouble = self.trouble, None
        if is_first():
            for name, content in view.files().items():
                write_whole(self.workspace.experiment(view.experiment) / name, content)
            self._try(view, artifacts=True, silently=known is not None)
        return self.trouble is None

    def _try(self, view: View, artifacts: bool, silently: bool = False) -> None:
        try:
            self.tracker.sync(view.tracked, tracked(view, self.workspace, artifacts))
        except TrackingError as error:
            self.trouble = error
            if not silently:
                self.listener.say(f"Tracking: {error}")


def log(stored: StoredAdapter, workspace: Workspace, listener: Listener) -> None:
    """Log an adapter as a run of its own; a server that fails is said, and hinders nothing."""
    if not is_first():
        return
    try:
        Tracker(tracking_uri(workspace.root)).sync(EXPERIMENT, _run(stored, workspace))
    except TrackingError as error:
        hint = f"The adapter is stored. `workbench adapters register {stored.id}` logs it, or the same command again."
        listener.say(f"Tracking: {TrackingError(error.what, where=error.where, hint=hint)}")


def register(stored: StoredAdapter, workspace: Workspace) -> Registered:
    """Log an adapter where it is not logged yet, and enter it into the model registry.

    Raises:
        TrackingError: the server does not answer, or cannot register models.
    """
    return Tracker(tracking_uri(workspace.root)).register(EXPERIMENT, _run(stored, workspace), entry(stored))


def _run(stored: StoredAdapter, workspace: Workspace) -> RunRecord:
    from experiments.testing import known  # torch and all: who logs a report does not need it

    found = known(workspace, stored)
    return run_record(stored, found.scores if found else {}, points(workspace.system(stored.id)))
