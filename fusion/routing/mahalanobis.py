"""mahalanobis: the nearest class mean under one covariance of all classes, on the features of the frozen backbone.

What differs: the paper tells strange inputs from known ones; it adds the distances of all layers and disturbs the input
first. Here the nearest adapter is meant, the last features alone are read, and the covariance is shrunk.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy.linalg import solve_triangular

from fusion.routing import Router, RouterSettings
from workbench.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from fusion.reading import Reader
    from fusion.routing import Part, Query
    from workbench.stored_adapter import StoredAdapter
    from workbench.task import Task

LEAST = 1e-6


def fit(adapter: StoredAdapter, task: Task | None, reader: Reader, settings: RouterSettings) -> Part:
    """Return what a task adds to the pooled covariance, and its class means.

    Returns:
        ``means`` (classes, h), ``scatter`` (h, h) = Σ (x − μ_c)(x − μ_c)ᵀ, and ``sums`` (2,): the number n of examples
        and Σ ‖x − μ_c‖⁴, from which the shrinkage of the pooled covariance follows.
    """
    if task is None:
        raise InputError(f"the covariance of {adapter.id} needs the examples that it was trained on")
    rows = task.splits["train"]
    found = reader.features(rows).astype(np.float64)  # (n, h)
    classes, place = np.unique(rows["label"][:], return_inverse=True)
    means = np.stack([found[place == each].mean(axis=0) for each in range(len(classes))])
    centred = found - means[place]
    sums = np.array([len(found), ((centred**2).sum(axis=1) ** 2).sum()])
    arrays = {"means": means, "scatter": centred.T @ centred, "sums": sums}
    return {name: torch.from_numpy(each) for name, each in arrays.items()}


def score(parts: Sequence[Part], query: Query, settings: RouterSettings) -> NDArray[np.floating[Any]]:
    """Return −min over the classes c of an adapter of (f(x) − μ_c)ᵀ Σ⁻¹ (f(x) − μ_c): (texts, adapters).

    Raises:
        InputError: no class has two different examples, so that there is no covariance.
    """
    factor = np.linalg.cholesky(covariance(parts))  # Σ = L Lᵀ, so Σ⁻¹-distances are distances after L⁻¹
    texts = _whiten(factor, query.reader.features(query.rows))  # (texts, h)
    return np.stack([-_nearest(texts, _whiten(factor, part["means"].numpy())) for part in parts], axis=1)


def covariance(parts: Sequence[Part]) -> NDArray[np.float64]:
    """Return Σ (h, h): the covariance within the classes of all tasks, shrunk towards μ I, μ = tr(S) / h.

    Σ = (1 − s) S + s μ I with the s that Ledoit & Wolf (2004, J. Multivariate Analysis 88, lemma 3.2 ff.) find best:
    s = min(b², d²) / d², d² = ‖S − μ I‖²_F / h, b² = (Σ ‖x‖⁴ / n − ‖S‖²_F) / (n h). The sums add up over tasks, so no
    example is kept. s is at least 1e-6: the examples of a few classes can lie in a plane, and Σ has to be invertible.
    """
    count, fourth = np.sum([part["sums"].numpy() for part in parts], axis=0)
    pooled = np.sum([part["scatter"].numpy() for part in parts], axis=0) / count  # S
    size = len(pooled)
    scale = np.trace(pooled) / size
    if scale <= 0:
        hint = "It takes at least two examples of a class; `prototype` does with one."
        raise InputError("the examples of each class are all alike: there is no covariance", hint=hint)
    norm = (pooled**2).sum()
    spread = (norm - size * scale**2) / size
    noise = min((fourth / count - norm) / (count * size), spread)
    shrinkage = max(noise / spread, LEAST) if spread > 0 else 1.0
    shrunk: NDArray[np.float64] = (1 - shrinkage) * pooled + shrinkage * scale * np.eye(size)
    return shrunk


def _whiten(factor: NDArray[np.floating[Any]], vectors: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    whitened: NDArray[np.float64] = solve_triangular(factor, vectors.T, lower=True).T
    return whitened


def _nearest(texts: NDArray[np.float64], means: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the squared distance of each text to the nearest mean (texts,)."""
    squares = [((texts - mean) ** 2).sum(axis=1) for mean in means]  # one class at a time: (texts, h) is enough memory
    return np.min(squares, axis=0)  # type: ignore[no-any-return]


ROUTER = Router(
    title="Mahalanobis distance",
    paper="Lee et al. 2018, arXiv:1807.03888, eq. 1 and 2; shrunk after Ledoit & Wolf 2004",
    settings=RouterSettings,
    fit=fit,
    score=score,
)
