"""mahalanobis: the nearest class mean under one covariance of all classes, on the features of the frozen backbone.

What differs: the paper tells strange inputs from known ones; it adds the distances of all layers and disturbs the input
first. Here the nearest adapter is meant, the last features alone are read, and the covariance is shrunk.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.linalg import solve_triangular
from scipy.spatial.distance import cdist

from adapter_workbench.fusion.routing.class_moments import covariance, moments
from adapter_workbench.fusion.routing.routers import Router, RouterSettings, starts
from adapter_workbench.workbench.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from adapter_workbench.fusion.routing.routers import Part, Query
    from adapter_workbench.fusion.target.reader import Reader
    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
    from adapter_workbench.workbench.methods.task import Task


def fit(adapter: StoredAdapter, task: Task | None, reader: Reader, settings: RouterSettings) -> Part:
    """Return what a task adds to the pooled covariance, and its class means: :func:`.moments`."""
    if task is None:
        raise InputError(f"the covariance of {adapter.id} needs its training examples")
    rows = task.splits["train"]
    return moments(reader.features(rows), np.asarray(rows["label"][:]))


@dataclass(frozen=True)
class WhitenedMeans:
    """The class means of all adapters, where Σ⁻¹-distances are distances."""

    factor: NDArray[np.floating[Any]]  # L (h, h) with Σ = L Lᵀ
    means: NDArray[np.float64]  # L⁻¹ μ_c of the classes of all adapters (classes, h)
    classes: tuple[int, ...]  # how many of them each adapter has, in order


def prepare(parts: Sequence[Part], settings: RouterSettings) -> WhitenedMeans:
    """Return the means whitened by the covariance of all tasks.

    Raises:
        InputError: no class has two different examples, so that there is no covariance.
    """
    factor = np.linalg.cholesky(covariance(parts))
    means = [part["means"].numpy() for part in parts]
    return WhitenedMeans(factor, _whiten(factor, np.vstack(means)), tuple(map(len, means)))


def score(known: WhitenedMeans, query: Query, settings: RouterSettings) -> NDArray[np.floating[Any]]:
    """Return −min over the classes c of an adapter of (f(x) − μ_c)ᵀ Σ⁻¹ (f(x) − μ_c): (texts, adapters)."""
    texts = _whiten(known.factor, query.reader.features(query.rows))  # (texts, h)
    distances = cdist(texts, known.means, "sqeuclidean")  # (texts, classes)
    return -np.minimum.reduceat(distances, starts(known.classes), axis=1)


def _whiten(factor: NDArray[np.floating[Any]], vectors: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    whitened: NDArray[np.float64] = solve_triangular(factor, vectors.T, lower=True).T
    return whitened


ROUTER = Router(
    title="Mahalanobis distance",
    paper="Lee et al. 2018, arXiv:1807.03888, eq. 1 and 2; shrunk after Ledoit & Wolf 2004",
    settings=RouterSettings,
    fit=fit,
    score=score,
    meaning="negative squared Mahalanobis distance to the nearest class mean, 0 at most",
    prepare=prepare,
)
