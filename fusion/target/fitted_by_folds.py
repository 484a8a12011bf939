"""A head on frozen features, where there are no rows but those that it is fitted on: folds choose its strength."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from adapter_workbench.fusion.target.fitted_head import GRID, FittedHead, checked_split, fit, layer, score

if TYPE_CHECKING:
    from collections.abc import Sequence

    from adapter_workbench.fusion.target.fitted_head import Features

FOLDS = 5


def fit_head_by_folds(features: Features, given: Sequence[int], labels: int) -> FittedHead:
    """Return the logistic regression of :func:`fit_head`, without a validation split.

    Each C of its grid is fitted five times, each time without a fifth of the rows, which it then answers. The C with
    the most right answers, all folds together, is fitted on all rows; of equal ones the higher likelihood wins, then
    the stronger regularisation. Fewer rows than folds are left out one by one; a single row has nothing to choose by,
    and gets the strongest regularisation.

    Args:
        features: (n, hidden_size).
        given: (n,) in 0 … labels − 1.
        labels: how many labels the task has.

    Raises:
        InputError: there is no row, or one has a label that the task does not have.
        TrainingError: a feature is not finite.
    """
    rows, answers = checked_split("only", features, given, labels)
    dealt = assign_folds(answers, FOLDS, seed=0)
    tried = [(*_left_out(rows, answers, dealt, labels, c), -c) for c in (GRID if len(answers) > 1 else GRID[:1])]
    accuracy, log_likelihood, c = max(tried)
    return FittedHead(layer(*fit(rows, answers, labels, -c)), -c, accuracy, log_likelihood)


def _left_out(
    rows: Features, answers: NDArray[np.int64], dealt: NDArray[np.int64], labels: int, c: float
) -> tuple[float, float]:
    """Return accuracy and mean log-likelihood of the answers to rows that a fit was made without; 0 of a single row."""
    right = log_likelihood = 0.0
    for fold in np.unique(dealt) if len(answers) > 1 else ():
        out = dealt == fold
        likelihood, accuracy = score(*fit(rows[~out], answers[~out], labels, c), rows[out], answers[out])
        right += accuracy * int(out.sum())
        log_likelihood += likelihood * int(out.sum())
    return round(right) / len(answers), log_likelihood / len(answers)


def assign_folds(answers: NDArray[np.int64], folds: int, seed: int) -> NDArray[np.int64]:
    """Return a fold for each of ``answers`` (n,): shuffled, then dealt label by label, so that folds are stratified."""
    order = np.random.default_rng(seed).permutation(len(answers))
    order = order[np.argsort(answers[order], kind="stable")]
    dealt = np.empty(len(answers), dtype=np.int64)
    dealt[order] = np.arange(len(answers)) % folds
    return dealt
