"""Weights of sources, searched without gradients on a target's few labelled examples: what is minimised, and how."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from pydantic import Field

from adapter_workbench.fusion.target import fitted_head
from adapter_workbench.fusion.target.composition import CompositionSettings
from adapter_workbench.fusion.target.target import needs_head, require_target
from adapter_workbench.workbench.answering.evaluation import features
from adapter_workbench.workbench.backbone.batching import BATCH_SIZE, to_device_of
from adapter_workbench.workbench.errors import TrainingError
from adapter_workbench.workbench.settings.bounds import Factor, Weight, Whole

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from adapter_workbench.fusion.target.composition import Request
    from adapter_workbench.workbench.methods.model import TaskModel

    Vector = NDArray[np.float64]

PACKAGE = "cma"  # of the extra `search`
FOLDS = 5
STRENGTH = 1e-2  # inverse regularisation of the folds' heads: fixed, so that losses of different weights compare
WORST = 1e9  # what CMA-ES hears of a cost without end, with which it could not compute
SPREAD = 0.5  # first standard deviation of the search, a third of the way to the bounds


class SearchSettings(CompositionSettings):
    """LoraHub's values; ``evaluations`` is what its 40 steps are."""

    evaluations: Whole = Field(40, description="how many weightings are tried")
    regularization: Weight = Field(0.05, description="factor on the weights' size in the loss")
    bound: Factor = Field(1.5, description="bound of each weight, ±")


def search(
    cost: Callable[[Vector], float], sources: int, settings: SearchSettings, seed: int
) -> list[tuple[Vector, float]]:
    """Return all weights (sources,) that were tried, with their costs; zero weights first, then those of CMA-ES."""
    bounds = -settings.bound, settings.bound
    return minimise(cost, np.zeros(sources), SPREAD, settings.evaluations, seed, bounds)


def minimise(
    cost: Callable[[Vector], float],
    start: Vector,
    spread: float,
    evaluations: int,
    seed: int,
    bounds: tuple[float | None, float | None] = (None, None),
) -> list[tuple[Vector, float]]:
    """Return what CMA-ES tried, at most ``evaluations`` points (n,) with their costs; ``start`` comes first.

    A point at which a model computes no numbers may cost ∞: it is worse than all others.

    Args:
        cost: what is minimised.
        start: (n,), the first mean.
        spread: the first standard deviation, in each direction.
        evaluations: how many points are tried; the search may end before.
        seed: of all that is drawn.
        bounds: of every coordinate, below and above; None where there is none.

    Raises:
        TrainingError: no point that was tried has a finite cost.
    """
    import cma

    draw = np.random.default_rng(seed).standard_normal  # the package would seed numpy's global generator
    options = {"bounds": list(bounds), "randn": lambda *shape: draw(shape), "seed": np.nan, "verbose": -9}
    tried = [(start, cost(start))]
    strategy = cma.CMAEvolutionStrategy(start, spread, options)
    while len(tried) < evaluations and not strategy.stop():
        points = strategy.ask()
        evaluated = [(point, cost(point)) for point in points[: evaluations - len(tried)]]
        tried += evaluated
        if len(evaluated) == len(points):
            strategy.tell(points, [min(value, WORST) for _, value in evaluated])
    if not any(math.isfinite(value) for _, value in tried):
        hint = "The weights of the sources are too large; leave out the largest."
        raise TrainingError(f"with none of {len(tried)} weightings the model computes numbers", hint=hint)
    return tried


def target_loss(model: TaskModel, request: Request) -> float:
    """Return the loss of the target's training examples, of held-out ones where a head has to be fitted first.

    ∞ where the model computes no numbers.
    """
    task, tokenizer, length = require_target(request), request.backbone.tokenizer, request.budget.max_length
    rows = task.splits["train"]
    if needs_head(model):
        vectors = features(model, rows, tokenizer, length)
        if not np.isfinite(vectors).all():
            return math.inf
        return held_out_loss(vectors, np.array(rows["label"][:]), len(task.labels))
    encoded, collate = model.kind.encode(rows, tokenizer, length), model.kind.collate(tokenizer)
    total, count = 0.0, 0
    with torch.inference_mode():
        for start in range(0, len(encoded), BATCH_SIZE):
            output = model(**to_device_of(model, collate(encoded[start : start + BATCH_SIZE])))
            answers = output["logits"].shape[0]  # tokens that are learned
            total, count = total + output["loss"].item() * answers, count + answers
    loss = total / count
    return loss if math.isfinite(loss) else math.inf


def held_out_loss(features: NDArray[np.float32], answers: NDArray[np.int64], labels: int) -> float:
    """Return the cross-entropy of each fifth of the examples under a head fitted on the others, on average.

    Each fold has its share of every label. With fewer than two examples of a label nothing can be held out: then it is
    the regularised head's own training loss.

    Args:
        features: features (examples, hidden_size).
        answers: (examples,).
        labels: how many the task has.
    """
    counts = np.bincount(answers, minlength=labels)
    folds = min(FOLDS, int(counts[counts > 0].min()))
    fold = np.empty(len(answers), dtype=np.int64)
    for label in np.unique(answers):
        indices = np.flatnonzero(answers == label)
        fold[indices] = np.arange(len(indices)) % folds
    total = 0.0
    for out in range(folds):
        held = fold == out
        kept = ~held if folds > 1 else held
        weight, bias = fitted_head.fit(features[kept].astype(np.float64), answers[kept], labels, STRENGTH)
        total -= fitted_head.score(weight, bias, features[held].astype(np.float64), answers[held])[0] * held.sum()
    return float(total / len(answers))
