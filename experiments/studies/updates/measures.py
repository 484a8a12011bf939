"""What the scores of test rows, version after version, come to: old rows, new rows, forgetting, flips.

A version is tested on the rows of the versions before too, so that a later test split holds an earlier one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from statistics import fmean
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

SCORE, MEAN, OLD, NEW = "score", "mean_score", "old_score", "new_score"
FORGETTING, FLIPS, GAINS = "forgetting", "negative_flips", "positive_flips"


@dataclass(frozen=True)
class VersionScores:
    """The versions of one task in one replication, each tested.

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
