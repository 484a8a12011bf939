"""logme: the evidence of the labels under a linear model on the adapted features (its weights integrated out).

What differs: the authors' program (github.com/thuml/LogME) stops its fixed point after at most 11 steps and adds 1e-5
to its denominators; with fewer examples n than features D it counts ½ log α for all D features against only n of the
½ log(α + β σ²), so that its value is not the evidence. Here it is, at convergence.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from adapter_workbench.fusion.ranking import Ranking, RankingRequest, Score, score_each

if TYPE_CHECKING:
    from collections.abc import Sequence

    from adapter_workbench.fusion.target.fitted_head import Features

TOLERANCE, STEPS = 1e-6, 1000
RANGE = 1e-10, 1e10  # of α ÷ β, in units of the mean squared singular value: beyond, the evidence does not change


def rank(request: RankingRequest) -> dict[str, Score]:
    """Return LogME of each candidate; raises as :attr:`RankingRequest.labels`."""
    labels = request.labels
    return score_each(request, lambda features: log_evidence(features, labels))


def log_evidence(features: Features, labels: Sequence[int]) -> float:
    """Return the maximum over α, β of log p(y | F, α, β) ÷ n, mean over one-hot columns y of the labels that occur.

    w ~ N(0, I ÷ α), y ~ N(F w, I ÷ β). With F = U Σ Vᵀ, z = Uᵀy and t = α ÷ β, the fixed point of You et al. 2021
    (alg. 1) is t ← γ ‖F m − y‖² ÷ ((n − γ) ‖m‖²), γ = Σ σ² ÷ (t + σ²), and at the best β for a given t

        log p = n/2 (log(n ÷ e) − 1 − log 2π) + ½ Σ log(t ÷ (t + σ²)),   e = ‖y‖² − Σ z² σ² ÷ (t + σ²).

    Args:
        features: (n, hidden_size).
        labels: (n,).
    """
    answers = np.asarray(labels)
    u, singular, _ = np.linalg.svd(np.asarray(features, dtype=np.float64), full_matrices=False)
    kept = singular > singular[0] * len(u) * np.finfo(np.float32).eps  # the features were computed in float32
    columns = [np.asarray(answers == label, dtype=np.float64) for label in np.unique(answers)]
    return float(np.mean([_column(u[:, kept], singular[kept] ** 2, y) for y in columns]))


def _column(u: Features, squares: Features, y: Features) -> float:
    """Return the evidence of one column y (n,), for left vectors (n, k) and squared singular values (k,)."""
    n, projected = len(y), (u.T @ y) ** 2  # z²
    outside = max(float(y @ y - projected.sum()), 0.0)  # of y, what no weights can reach
    low, high = (bound * squares.mean() for bound in RANGE)
    t = float(squares.mean())
    for _ in range(STEPS):
        gamma = (squares / (t + squares)).sum()
        free = n - len(squares) + (t / (t + squares)).sum()  # n − γ without cancellation
        residual = (projected * (t / (t + squares)) ** 2).sum() + outside
        norm = (projected * squares / (t + squares) ** 2).sum()
        proposed = float(np.clip(gamma * residual / (free * norm), low, high))
        done, t = abs(proposed - t) <= TOLERANCE * t, proposed
        if done:
            break
    error = (projected * t / (t + squares)).sum() + outside
    evidence = n * (math.log(n / error) - 1 - math.log(2 * math.pi)) + np.log(t / (t + squares)).sum()
    return float(evidence) / (2 * n)


RANKING = Ranking(title="LogME", paper="You et al. 2021, arXiv:2102.11005", rank=rank)
