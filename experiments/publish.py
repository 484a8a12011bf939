"""Showing a run elsewhere while it goes on and when it ends: as files in the workspace, and as runs in MLflow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.assets import write_whole
from workbench.errors import TrackingError
from workbench.processes import is_first
from workbench.tracking import Tracker, tracking_uri

if TYPE_CHECKING:
    from experiments.views import View
    from experiments.workspace import Workspace
    from workbench.contracts import Listener


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
            self.tracker.sync(view.tracked, view.run(artifacts))
        except TrackingError as error:
            self.trouble = error
            if not silently:
                self.listener.say(f"Tracking: {error}")
