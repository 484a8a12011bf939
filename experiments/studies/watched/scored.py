"""What another experiment could be held against: nothing, since a training that was watched is of one seed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from adapter_workbench.experiments.reporting.scored import Scores
    from adapter_workbench.experiments.workspace import RecordDocument, Workspace


def scored(experiment: str, record: RecordDocument, workspace: Workspace) -> Scores:
    """Return no scores."""
    return {}
