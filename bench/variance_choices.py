"""Other ways to pool variances, which the declared test was chosen from; each returns the moments of rows − row 0."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from scipy.special import digamma, polygamma

from adapter_workbench.workbench.measures.declared_tests import paired_moments, pooled_moments
from adapter_workbench.workbench.measures.estimate import Moments
from adapter_workbench.workbench.measures.looks import LEVELS, LOOKS
from adapter_workbench.workbench.measures.pooled_variance import row_squares
from adapter_workbench.workbench.measures.verdicts import LEVEL
from bench.simulated_scores import Scores

ENDLESS = 1e6  # prior degrees of freedom where the variances differ no more than chance has it


def paired(table: Scores) -> Moments:
    """Return each row's own differences (…, R − 1)."""
    return paired_moments(table[..., 1:, :] - table[..., :1, :])


def block(table: Scores) -> Moments:
    """Return the block design's residual variance of all rows, whatever their spreads are."""
    kept = np.ones(table.shape[:-1], dtype=bool)
    squares, own = row_squares(table, kept), paired(table)
    error = np.sqrt(2 * squares.variance() / table.shape[-1])[..., None]
    return Moments(own.difference, np.broadcast_to(error, own.error.shape), squares.total_freedom[..., None])


def checked(table: Scores, level: float = LEVEL) -> Moments:
    """Return the declared test ``pooled``: the block design where rows support it, rows tested paired elsewhere."""
    return Moments(*(part[..., 1:] for part in pooled_moments(table, level=level).moments))


def spreads_checked(table: Scores) -> Moments:
    """Return the block design with rows taken out and one spread checked, and no look at the rows' own differences."""
    seen, own = pooled_moments(table), paired(table)
    squares = row_squares(table, seen.kept)
    use = seen.kept[..., 1:] & (seen.kept[..., 0] & seen.agree & (squares.total_freedom > 0))[..., None]
    error = np.sqrt(2 * squares.variance() / table.shape[-1])[..., None]
    freedom = np.where(use, squares.total_freedom[..., None], own.freedom)
    return Moments(own.difference, np.where(use, error, own.error), freedom)


checked_at_a_look = partial(checked, level=LEVELS[LOOKS[0]])


def moderated(table: Scores) -> Moments:
    """Return the variances of differences, drawn to a common one as limma does (Smyth, 2004)."""
    own, seeds = paired(table), table.shape[-1]
    variance = own.error**2 * seeds
    prior_freedom, prior = squeeze(variance, seeds - 1)
    posterior = (prior_freedom * prior + (seeds - 1) * variance) / (prior_freedom + seeds - 1)
    freedom = np.minimum(prior_freedom + seeds - 1, (seeds - 1) * variance.shape[-1])
    return Moments(own.difference, np.sqrt(posterior / seeds), freedom)


def moderated_rows(table: Scores) -> Moments:
    """Return the residual variances of rows, each moderated, and the sum of the row's and the reference's."""
    kept = np.ones(table.shape[:-1], dtype=bool)
    squares, own, seeds = row_squares(table, kept), paired(table), table.shape[-1]
    variance = squares.rows / (seeds - 1)
    prior_freedom, prior = squeeze(variance, seeds - 1)
    posterior = (prior_freedom * prior + (seeds - 1) * variance) / (prior_freedom + seeds - 1)
    freedom = np.minimum(prior_freedom + seeds - 1, squares.total_freedom[..., None])
    row, reference = posterior[..., 1:], posterior[..., :1]
    summed = np.minimum((row + reference) ** 2 / ((row**2 + reference**2) / freedom), squares.total_freedom[..., None])
    return Moments(own.difference, np.sqrt((row + reference) / seeds), summed)


def squeeze(variance: Scores, freedom: float) -> tuple[Scores, Scores]:
    """Return the prior degrees of freedom and the prior variance, (…, 1), of variances (…, R): Smyth 2004, section 6.2.

    The logarithms of the variances have mean log s₀² + ψ(d/2) − log(d/2) − ψ(d₀/2) + log(d₀/2) and variance
    ψ′(d/2) + ψ′(d₀/2).
    """
    logs = np.log(np.maximum(variance, 1e-24)) - digamma(freedom / 2) + np.log(freedom / 2)
    mean, excess = logs.mean(-1, keepdims=True), logs.var(-1, ddof=1, keepdims=True) - polygamma(1, freedom / 2)
    bounded = excess > 0
    estimated = 2 * inverse_trigamma(np.where(bounded, excess, 1.0))
    prior_freedom = np.minimum(np.where(bounded, estimated, ENDLESS), ENDLESS)
    spread = np.exp(mean + digamma(prior_freedom / 2) - np.log(prior_freedom / 2))
    return prior_freedom, np.where(bounded, spread, variance.mean(-1, keepdims=True))


def inverse_trigamma(values: Scores) -> Scores:
    """Return x with ψ′(x) = values > 0, by Newton's method on 1 ÷ ψ′ (Smyth 2004, appendix)."""
    x = 0.5 + 1 / values
    for _ in range(30):
        trigamma = polygamma(1, x)
        x = x + trigamma * (1 - trigamma / values) / polygamma(2, x)
    return np.asarray(x)


CHOICES: dict[str, Callable[[Scores], Moments]] = {
    "paired": paired,
    "block design": block,
    "spreads checked": spreads_checked,
    "as declared": checked,
    "moderated differences": moderated,
    "moderated rows": moderated_rows,
}
