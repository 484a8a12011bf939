"""learned: logistic regression over the tasks, trained on features drawn from Gaussians instead of kept examples.

Of each task, class means, the covariance within classes and the numbers of examples are kept; texts of earlier tasks
are not needed when a task is added. With ``trained_on: examples`` the features of the examples themselves are kept and
learned: the control that lacks only the Gaussians. The regression is fitted anew for each set of adapters; its time
grows with the square of the number of labels, since there are more rows and more labels.

What differs: the paper trains backbone and head first and corrects the head with a covariance for each class; its
authors' program draws 256 rows of a class in each of 5 epochs of SGD, moves the means of earlier tasks towards 0, and
normalises logits. Here the backbone stays as it is, the classes of a task share a covariance (shrunk after Ledoit &
Wolf 2004), as many rows are drawn as there were examples, once, and a convex loss is minimised.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from pydantic import Field
from scipy.special import log_softmax

from adapter_workbench.fusion.routing.class_moments import covariance, moments
from adapter_workbench.fusion.routing.routers import ProbabilitySettings, Router, starts
from adapter_workbench.fusion.routing.temperature import fitted_temperature
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.settings.bounds import Factor, Seed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from adapter_workbench.fusion.routing.routers import Part, Query
    from adapter_workbench.fusion.target.reader import Reader
    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
    from adapter_workbench.workbench.methods.task import Task

STEPS = 1000  # of L-BFGS, at most


class Settings(ProbabilitySettings):
    """What is learned, from which rows."""

    trained_on: Literal["moments", "examples"] = Field(
        "moments", description="rows drawn from each class's Gaussian, or the features of the examples (the control)"
    )
    level: Literal["class", "task"] = Field("class", description="a label for each class of a task, or for the task")
    rows: int = Field(200, ge=1, le=100_000, description="of a class, at most; fewer where it had fewer examples")
    penalty: Factor = Field(1.0, description="λ: λ/2 ‖W‖² is added to the sum of the cross-entropies")
    seed: Seed = Field(0, description="of the rows that are drawn")


@dataclass(frozen=True)
class Classifier:
    """A linear classifier of features into the labels of all adapters."""

    weights: NDArray[np.float64]  # (h, labels)
    bias: NDArray[np.float64]  # (labels,)
    labels: tuple[int, ...]  # how many of them each adapter has, in order


def fit(adapter: StoredAdapter, task: Task | None, reader: Reader, settings: Settings) -> Part:
    """Return what is kept of a task.

    Returns:
        The :func:`~.class_moments.moments` and ``counts`` (classes,), or, for the control, ``features``
        (n, h) and ``counts``: features in the order of the classes, at most ``rows`` of each. Where the adapters that
        are asked are calibrated, ``temperature`` (1,) too, fitted on the task's validation rows.
    """
    if task is None:
        raise InputError(f"routing to {adapter.id} cannot be learned without its training examples")
    fitted: dict[str, torch.Tensor] = {}
    if settings.tempered:
        divisor = fitted_temperature(adapter, task.splits["validation"], reader.backbone)
        fitted["temperature"] = torch.tensor([divisor], dtype=torch.float64)
    rows = task.splits["train"]
    vectors, labels = reader.features(rows), np.asarray(rows["label"][:])
    counts = torch.from_numpy(np.unique(labels, return_counts=True)[1].clip(max=settings.rows))
    if settings.trained_on == "moments":
        return {**fitted, **moments(vectors, labels), "counts": counts}
    order = np.random.default_rng(adapter.manifest.seed_here).permutation(len(rows))
    sampled = [order[labels[order] == label][: settings.rows] for label in np.unique(labels)]
    return {**fitted, "features": torch.from_numpy(vectors[np.concatenate(sampled)]), "counts": counts}


def prepare(parts: Sequence[Part], settings: Settings) -> Classifier:
    """Return the classifier with the smallest cross-entropy and penalty; every task weighs the same.

    Raises:
        InputError: the examples of each class of a task are all alike, so that it has no covariance.
    """
    counts = [part["counts"].numpy() for part in parts]
    generator = np.random.default_rng(settings.seed)
    drawn = settings.trained_on == "moments"
    features = np.vstack([_draw_rows(part, generator) if drawn else part["features"].numpy() for part in parts])
    if settings.level == "task":
        counts = [task_counts.sum(keepdims=True) for task_counts in counts]
    sizes = np.concatenate(counts)
    weights = np.concatenate(
        [np.full(task_counts.sum(), len(features) / len(parts) / task_counts.sum()) for task_counts in counts]
    )
    fitted = _regression(features, np.repeat(np.arange(len(sizes)), sizes), weights, settings.penalty)
    return Classifier(*fitted, tuple(map(len, counts)))


def _draw_rows(part: Part, generator: np.random.Generator) -> NDArray[np.float32]:
    """Return rows of the Gaussians of a task's classes, class after class: (n, h)."""
    factor = np.linalg.cholesky(covariance([part]))  # Σ = L Lᵀ
    means = np.repeat(part["means"].numpy(), part["counts"].numpy(), axis=0)
    return (means + generator.standard_normal(means.shape) @ factor.T).astype(np.float32)


def _regression(
    features: NDArray[np.float32], labels: NDArray[np.int64], weights: NDArray[np.float64], penalty: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return W (h, labels) and b (labels,); the penalty is on the weights of features of mean 0 and variance 1."""
    from sklearn.linear_model import LogisticRegression  # takes long to import
    from sklearn.preprocessing import StandardScaler

    if labels[-1] == 0:  # one adapter, one label
        return np.zeros((features.shape[1], 1)), np.zeros(1)
    scaler = StandardScaler()
    model = LogisticRegression(C=1 / penalty, max_iter=STEPS)
    model.fit(scaler.fit_transform(features), labels, sample_weight=weights)
    coefficients, bias = model.coef_.T.astype(np.float64), model.intercept_.astype(np.float64)
    if coefficients.shape[1] == 1:  # of two labels scikit-learn gives the difference
        coefficients, bias = np.hstack([0 * coefficients, coefficients]), np.array([0.0, bias[0]])
    coefficients = coefficients / scaler.scale_[:, None]
    return coefficients, bias - scaler.mean_ @ coefficients


def score(known: Classifier, query: Query, settings: Settings) -> NDArray[np.floating[Any]]:
    """Return log p(adapter | text), which sums the probabilities of its labels: (texts, adapters)."""
    logits = query.reader.features(query.rows) @ known.weights + known.bias  # (texts, labels)
    return np.logaddexp.reduceat(log_softmax(logits, axis=1), starts(known.labels), axis=1)


ROUTER = Router(
    title="Logistic regression on drawn features",
    paper="Zhang et al. 2023, SLCA, arXiv:2303.05118: classifier alignment",
    settings=Settings,
    fit=fit,
    score=score,
    meaning="logarithm of the probability of the task among those that are known, 0 at most",
    prepare=prepare,
)
