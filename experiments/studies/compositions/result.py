"""What is kept of a trial: scores, what it took, what was learned about the sources; per-example outcomes beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from adapter_workbench.experiments.workspace.outcome_folders import OutcomeFolders
from adapter_workbench.workbench.adapters.fit_record import FitRecord

if TYPE_CHECKING:
    from adapter_workbench.experiments.workspace import Workspace


@dataclass(frozen=True)
class Retained:
    """What a composition still knows of one source's own task: test scores under that source's own head.

    Attributes:
        alone: of the source as it is.
        fused: of the composed body.
    """

    source: str
    task: str
    alone: float
    fused: float
    examples: int


@dataclass(frozen=True)
class Result:
    """How one entry did on one problem.

    Attributes:
        score: the task's main metric on the test split, in [0, 1].
        scores: all of them.
        examples: size of the test split.
        fit: what it took, and the validation score.
        head: where the head comes from.
        weights, facts, details: as in :class:`adapter_workbench.fusion.target.composition.Composed`.
        retained: one entry for each source whose task is at hand; empty where that was not measured.
        sources: the task of each source that it is made of, in order; empty in results of earlier versions.
    """

    score: float
    scores: Mapping[str, float]
    examples: int
    fit: FitRecord
    head: str
    weights: tuple[float, ...] | None = None
    facts: Mapping[str, float] = field(default_factory=dict)
    details: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    retained: tuple[Retained, ...] = ()
    sources: tuple[str, ...] = ()


def results_in(workspace: Workspace) -> OutcomeFolders[Result]:
    """Return the results of the trials in a workspace."""
    about = "the result of this trial"
    root = workspace.root / "trials"
    return OutcomeFolders(root, "result.json", Result, about, workspace.access, workspace.known)
