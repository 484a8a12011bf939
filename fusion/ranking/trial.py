"""trial: cross-validated log-likelihood of a head on the adapted features of the target's few examples.

The paper's linear proxy is the accuracy of such a head on data that is held out; with a few examples accuracy has many
ties, and likelihood has none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from adapter_workbench.fusion.ranking import Ranking, RankingRequest, Score, score_each
from adapter_workbench.fusion.target.fitted_by_folds import FOLDS, assign_folds
from adapter_workbench.fusion.target.fitted_head import GRID, fit, score

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from adapter_workbench.fusion.target.fitted_head import Features


def rank(request: RankingRequest) -> dict[str, Score]:
    """Return each candidate's mean held-out log-likelihood, at the best C of :data:`GRID`.

    All candidates are tried on the same folds. Raises as :attr:`RankingRequest.labels`.
    """
    answers = np.asarray(request.labels)
    folds = assign_folds(answers, FOLDS, request.seed)
    labels = len(request.target.labels)
    return score_each(request, lambda features: held_out(features, answers, folds, labels))


def held_out(features: Features, answers: NDArray[np.int64], folds: NDArray[np.int64], labels: int) -> float:
    """Return the highest of the mean log-likelihoods that each C reaches on examples it was not fitted on.

    Args:
        features: (n, hidden_size).
        answers: (n,) labels.
        folds: (n,) the fold in which each example is held out.
        labels: how many the task has.
    """
    wide = np.asarray(features, dtype=np.float64)
    return max(
        sum(_fold(wide, answers, folds == fold, labels, c) for fold in np.unique(folds)) / len(answers) for c in GRID
    )


def _fold(features: Features, answers: NDArray[np.int64], out: NDArray[np.bool_], labels: int, c: float) -> float:
    weight, bias = fit(features[~out], answers[~out], labels, c)
    return score(weight, bias, features[out], answers[out])[0] * int(out.sum())


RANKING = Ranking(title="Linear proxy", paper="Renggli et al. 2020, arXiv:2010.06402", rank=rank)
