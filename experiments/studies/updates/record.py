"""What a comparison of ways of updating has measured so far: every number of its report, so that it needs no model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from statistics import fmean
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from adapter_workbench.experiments.studies.core.against import ComparedRecord
from adapter_workbench.experiments.workspace.fitted_adapter import FITTED_ADAPTERS, FittedAdapter

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from adapter_workbench.experiments.workspace import RecordDocument, Workspace

PART = "version"
SCORE, MEAN, OLD, NEW = "score", "mean_score", "old_score", "new_score"
FORGETTING, FLIPS, GAINS = "forgetting", "negative_flips", "positive_flips"


@dataclass(frozen=True)
class Entry:
    """One entry under ``updates``.

    Attributes:
        settings: those of the way, then those of the method.
        default_rate: the learning rate that the method has where a recipe names none.
        against: the label of the entry that it is compared with; the reference where it is empty.
    """

    label: str
    way: str
    method: str
    settings: Mapping[str, Any]
    default_rate: float | None = None
    against: str = ""


@dataclass(frozen=True)
class VersionAdapter:
    """The adapter of one version, made in the way of an entry: which it is, and its scores.

    Attributes:
        version: of the task, from 1.
    """

    label: str
    task: str
    seed: int
    version: int
    fitted: FittedAdapter

    @property
    def rows(self) -> int | None:
        """How many different training rows were read for it."""
        return self.fitted.train_examples


@dataclass(frozen=True)
class VersionScores:
    """The versions of one task in one replication, each tested, and what they come to.

    A version is tested on the rows of the versions before too, so that a later test split holds an earlier one.

    Attributes:
        versions: the score of each test row by its id, of one version after another.
    """

    versions: Sequence[pd.Series]

    @cached_property
    def parts(self) -> list[pd.Index[str]]:
        """The ids of the test rows that came with each version."""
        earlier = [None, *self.versions[:-1]]
        return [
            scores.index if before is None else scores.index.difference(before.index)
            for before, scores in zip(earlier, self.versions, strict=True)
        ]

    @cached_property
    def old_rows(self) -> pd.Series:
        """What the last version scores on the test rows of the one before."""
        return self.versions[-1].reindex(self.versions[-2].index)

    @cached_property
    def new_rows(self) -> pd.Series:
        """What the last version scores on the test rows that came with it."""
        return self.versions[-1].reindex(self.parts[-1])

    @cached_property
    def metrics(self) -> dict[str, float]:
        """The metrics by name; A[i, j] is the mean score of version i on the test rows that came with version j.

        ``score``: of the last version V on all its test rows; ``mean_score``: the same, mean over all versions;
        ``old_score``: of the last version on the test rows of the one before; ``new_score``: on those that came with
        it. ``forgetting``: mean over j < V of max over j ≤ i < V of A[i, j] − A[V, j]. ``negative_flips``: share of the
        test rows of version i − 1 that it answers rightly and version i wrongly, mean over the updates (Yan et al.
        2021, arXiv:2011.09161); ``positive_flips``: the other way round.
        """
        last, flips = self.versions[-1], [_lost(*pair) for pair in pairwise(self.versions)]
        return {
            SCORE: float(last.mean()),
            MEAN: fmean(float(scores.mean()) for scores in self.versions),
            OLD: float(self.old_rows.mean()),
            NEW: float(self.new_rows.mean()),
            FORGETTING: fmean(self._forgotten(version) for version in range(len(self.versions) - 1)),
            FLIPS: fmean(lost for lost, _ in flips),
            GAINS: fmean(won for _, won in flips),
        }

    @property
    def sizes(self) -> Mapping[str, int]:
        """How many test rows each metric is of, at the last version."""
        old, new = len(self.old_rows), len(self.new_rows)
        return {SCORE: old + new, MEAN: old + new, OLD: old, NEW: new, FORGETTING: old, FLIPS: old, GAINS: old}

    def _forgotten(self, version: int) -> float:
        own = self.parts[version]
        scores = [float(scores.reindex(own).mean()) for scores in self.versions[version:]]
        return max(scores[:-1]) - scores[-1]


def _lost(before: pd.Series, after: pd.Series) -> tuple[float, float]:
    """Return the shares of the earlier version's test rows that were lost and won."""
    change = after.reindex(before.index) - before
    return float((-change).clip(lower=0).mean()), float(change.clip(lower=0).mean())


@dataclass(frozen=True, kw_only=True)
class UpdatesRecord(ComparedRecord):
    """A comparison of ways of updating as far as it has come.

    Attributes:
        tasks: that are updated.
        scenario: how their rows arrive.
        versions: of each task.
        periods: task → names of the tasks that its rows come from, one for each period; itself where its labels grow.
        majority: task → test score of always giving the most frequent answer, of its last version.
        shared_texts: task → id of an example of its last version's test → number of its text, where others have the
            same text; empty where none has, and in records of earlier versions.
    """

    kind = "a comparison of ways of updating"
    result_fields = ("cells",)

    tasks: tuple[str, ...]
    scenario: str
    versions: int
    periods: Mapping[str, tuple[str, ...]]
    budget: Mapping[str, Any]
    majority: Mapping[str, float]
    entries: Annotated[tuple[Entry, ...], Field(alias="updates")]
    shared_texts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    cells: tuple[VersionAdapter, ...] = ()

    @property
    def planned(self) -> int:
        """How many adapters there will be, counted for each entry."""
        adapters = self.versions * len(self.tasks)
        return adapters * sum(len(self.planned_seeds(entry.label)) for entry in self.entries)

    @property
    def done(self) -> int:
        """How many adapters are there."""
        return len(self.cells)

    @classmethod
    def results_from(cls, document: RecordDocument, workspace: Workspace) -> dict[str, Any]:
        """Return the adapters.

        Raises:
            IntegrityError: a document or the answers to a test split are damaged or missing.
        """
        cells = []
        for coordinates, fitted in FITTED_ADAPTERS.of(document, workspace, PART):
            workspace.evaluations.require_outcomes(fitted.evaluation)
            at = (coordinates["label"], coordinates["task"], coordinates["seed"], coordinates["version"])
            cells.append(VersionAdapter(*at, fitted))
        return {"cells": tuple(cells)}
