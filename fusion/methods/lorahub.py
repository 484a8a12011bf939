"""LoraHub: weights of a sum of LoRAs, searched without gradients on the target's few labelled examples.

min over w in [−1.5, 1.5]ⁿ of L(w) + 0.05 Σ |wᵢ|, by CMA-ES from w = 0. (The authors' program divides the second term by
n; here it is as the paper writes it.) For a language model L is its loss on the answers. A classification has no head
for an unseen task, and the loss of a head on the examples on which it was fitted means nothing. There L is the
cross-entropy of held-out fifths of the examples under a logistic regression on the mixed features of the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from pydantic import Field

from fusion import heads, lora
from fusion.composition import Composed, Composition, CompositionSettings
from fusion.mixing import mixture
from fusion.target import model_on, needs_head, required
from workbench.batching import BATCH_SIZE, beside
from workbench.bounds import Factor, Size, Weight, Whole
from workbench.evaluation import features

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from fusion.composition import Request
    from workbench.model import TaskModel

    Vector = NDArray[np.float64]

FOLDS = 5
STRENGTH = 1e-2  # inverse regularisation of the folds' heads: fixed, so that losses of different weights compare
SPREAD = 0.5  # first standard deviation of the search, a third of the way to the bounds


class Settings(CompositionSettings):
    """The paper's; ``evaluations`` is what its 40 steps are."""

    evaluations: Whole = Field(40, description="how many weightings are tried")
    regularization: Weight = Field(0.05, description="factor on Σ |wᵢ| in the loss")
    bound: Factor = Field(1.5, description="bound of each weight, ±")
    rank: Size | None = Field(None, description="rank of the result; exact (the sum of all ranks) if null")


def compose(request: Request, settings: Settings) -> Composed:
    """Return Σ wᵢ ΔWᵢ with the best weights of all that were tried.

    Raises:
        InputError: no target, or a source that is no plain LoRA.
    """
    required(request)
    mixed = mixture(request)
    model = model_on(request, mixed.body)

    def cost(weights: Vector) -> float:
        mixed.weigh(torch.tensor(weights, dtype=torch.float32).unsqueeze(0))
        return target_loss(model, request) + settings.regularization * float(np.abs(weights).sum())

    tried = search(cost, mixed.sources, settings, request.seed)
    best, lowest = min(tried, key=lambda one: one[1])
    merged = mixed.merged(torch.tensor(best, dtype=torch.float32).unsqueeze(0), settings.rank)
    body, own = lora.attach(request.backbone, merged.update)
    facts = {**merged.facts, "evaluations": float(len(tried)), "cost": lowest, "cost_of_zero": tried[0][1]}
    return Composed(body, "lora", own, weights=tuple(best.tolist()), facts=facts)


def search(cost: Callable[[Vector], float], sources: int, settings: Settings, seed: int) -> list[tuple[Vector, float]]:
    """Return all weights (sources,) that were tried, with their costs; zero weights first."""
    import cma

    draw = np.random.default_rng(seed).standard_normal  # the package would seed numpy's global generator
    options = {
        "bounds": [-settings.bound, settings.bound],
        "randn": lambda *shape: draw(shape),
        "seed": np.nan,
        "verbose": -9,
    }
    start = np.zeros(sources)
    tried = [(start, cost(start))]
    strategy = cma.CMAEvolutionStrategy(start, SPREAD, options)
    while len(tried) < settings.evaluations and not strategy.stop():
        asked = strategy.ask()
        told = [(weights, cost(weights)) for weights in asked[: settings.evaluations - len(tried)]]
        tried += told
        if len(told) == len(asked):
            strategy.tell(asked, [each for _, each in told])
    return tried


def target_loss(model: TaskModel, request: Request) -> float:
    """Return the loss of the target's training examples, of held-out ones where a head has to be fitted first."""
    task, tokenizer, length = required(request), request.backbone.tokenizer, request.budget.max_length
    rows = task.splits["train"]
    if needs_head(model):
        return held_out_loss(features(model, rows, tokenizer, length), np.array(rows["label"][:]), len(task.labels))
    encoded, collate = model.kind.encode(rows, tokenizer, length), model.kind.collate(tokenizer)
    total, count = 0.0, 0
    with torch.inference_mode():
        for start in range(0, len(encoded), BATCH_SIZE):
            found = model(**beside(model, collate(encoded[start : start + BATCH_SIZE])))
            answers = found["logits"].shape[0]  # tokens that are learned
            total, count = total + found["loss"].item() * answers, count + answers
    return total / count


def held_out_loss(found: NDArray[np.float32], answers: NDArray[np.int64], labels: int) -> float:
    """Return the cross-entropy of each fifth of the examples under a head fitted on the others, on average.

    Each fold has its share of every label. With fewer than two examples of a label nothing can be held out: then it is
    the regularised head's own training loss.

    Args:
        found: features (examples, hidden_size).
        answers: (examples,).
        labels: how many the task has.
    """
    counts = np.bincount(answers, minlength=labels)
    folds = min(FOLDS, int(counts[counts > 0].min()))
    fold = np.empty(len(answers), dtype=np.int64)
    for label in np.unique(answers):
        places = np.flatnonzero(answers == label)
        fold[places] = np.arange(len(places)) % folds
    total = 0.0
    for out in range(folds):
        held = fold == out
        kept = ~held if folds > 1 else held
        weight, bias = heads.fit(found[kept].astype(np.float64), answers[kept], labels, STRENGTH)
        total -= heads.score(weight, bias, found[held].astype(np.float64), answers[held])[0] * held.sum()
    return float(total / len(answers))


COMPOSITION = Composition(
    title="LoraHub",
    paper="Huang et al. 2023, arXiv:2307.13269",
    settings=Settings,
    compose=compose,
    needs_target=True,
)
