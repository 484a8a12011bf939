"""Moments of a task's features: class means, and the scatter around them, which adds up over tasks."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from adapter_workbench.workbench.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

LEAST = 1e-6


def moments(features: NDArray[np.floating[Any]], labels: NDArray[np.int64]) -> dict[str, Tensor]:
    """Return the moments of features (n, h) around the means of their classes, in the order of the labels.

    Returns:
        ``means`` (classes, h), ``scatter`` (h, h) = Σ (x − μ_c)(x − μ_c)ᵀ, and ``sums`` (2,): the number n of examples
        and Σ ‖x − μ_c‖⁴, from which the shrinkage of the pooled covariance follows.
    """
    vectors = features.astype(np.float64)
    classes, class_index = np.unique(labels, return_inverse=True)
    means = np.stack([vectors[class_index == number].mean(axis=0) for number in range(len(classes))])
    centred = vectors - means[class_index]
    sums = np.array([len(vectors), ((centred**2).sum(axis=1) ** 2).sum()])
    arrays = {"means": means, "scatter": centred.T @ centred, "sums": sums}
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


def covariance(parts: Sequence[Mapping[str, Tensor]]) -> NDArray[np.float64]:
    """Return Σ (h, h): the covariance within the classes of all tasks, shrunk towards μ I, μ = tr(S) / h.

    Σ = (1 − s) S + s μ I with the s that Ledoit & Wolf (2004, J. Multivariate Analysis 88, lemma 3.2 ff.) find best:
    s = min(b², d²) / d², d² = ‖S − μ I‖²_F / h, b² = (Σ ‖x‖⁴ / n − ‖S‖²_F) / (n h). The sums add up over tasks, so no
    example is kept. s is at least 1e-6: the examples of a few classes can lie in a plane, and Σ has to be invertible.
    """
    count, fourth = np.sum([part["sums"].numpy() for part in parts], axis=0)
    pooled = reduce(np.add, (part["scatter"].numpy() for part in parts)) / count  # S; stacked, they would fill memory
    size = len(pooled)
    scale = np.trace(pooled) / size
    if scale <= 0:
        hint = "Give two different examples of a class at least; `prototype` needs only one."
        raise InputError("all examples of a class are equal, so the covariance is zero", hint=hint)
    norm = (pooled**2).sum()
    spread = (norm - size * scale**2) / size
    noise = min((fourth / count - norm) / (count * size), spread)
    shrinkage = max(noise / spread, LEAST) if spread > 0 else 1.0
    shrunk: NDArray[np.float64] = (1 - shrinkage) * pooled + shrinkage * scale * np.eye(size)
    return shrunk
