"""LoraHub: weights of the sources' factors, searched without gradients on the target's few labelled examples.

ΔW = (Σ wᵢ Bᵢ)(Σ wᵢ Aᵢ), as the paper and its authors' program (github.com/sail-sg/lorahub) combine LoRAs: weights enter
squared, products BᵢAⱼ of different sources come in, and the rank is that of one source. At weights 1 ÷ n of n unrelated
sources this is √(1 − 1 ÷ n) times the norm of their mean away from it; ``mix-search`` weighs the updates themselves.
min over w in [−1.5, 1.5]ⁿ of L(w) + 0.05 · mean |wᵢ| from w = 0 in 40 evaluations: bounds, start, number and penalty
(the paper writes Σ |wᵢ|) are the program's.

What differs: CMA-ES, which the paper names, searches, and the cheapest of all weights tried is taken; the program takes
what nevergrad's NGOpt recommends. Each source keeps its own scaling (inside its B); the program gives all of them the
first one's. L is the mean loss of an answer's tokens; the program divides that once more by the number of examples (5),
which makes its penalty 5 times as strong. A classification has no head for an unseen task: there L is the cross-entropy
of held-out fifths of the examples under a logistic regression on the composed features of the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from adapter_workbench.fusion.target.composition import Composed, Composition
from adapter_workbench.fusion.target.searching import PACKAGE, SearchSettings, search, target_loss
from adapter_workbench.fusion.target.target import model_on, require_target
from adapter_workbench.fusion.updates import lora
from adapter_workbench.fusion.updates.lowrank import Truncated, collect, norm, summed_factors
from adapter_workbench.workbench.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from adapter_workbench.fusion.target.composition import Request
    from adapter_workbench.fusion.target.searching import Vector
    from adapter_workbench.fusion.updates.lowrank import Update


class Settings(SearchSettings):
    """``regularization`` is a factor on the mean of |wᵢ|, as in the authors' program."""


def compose(request: Request, settings: Settings) -> Composed:
    """Return (Σ wᵢ Bᵢ)(Σ wᵢ Aᵢ) with the best weights of all that were tried.

    Raises:
        InputError: no target, a source that is no plain LoRA, or sources of different ranks or modules.
        TrainingError: with no weighting that was tried the model computes numbers.
    """
    require_target(request)
    updates = request.updates
    require_alike(updates, [source.id for source in request.sources])
    body, own = lora.attach(request.backbone, summed_factors(updates, np.zeros(len(updates))))
    model = model_on(request, body)

    def cost(weights: Vector) -> float:
        lora.fill(body, summed_factors(updates, weights))
        return target_loss(model, request) + settings.regularization * float(np.abs(weights).mean())

    tried = search(cost, len(updates), settings, request.seed)
    best, lowest = min(tried, key=lambda trial: trial[1])
    merged = summed_factors(updates, best)
    lora.fill(body, merged)
    facts = collect((name, Truncated(pair, norm(pair) ** 2, 0.0)) for name, pair in merged.items()).facts
    facts = {**facts, "evaluations": float(len(tried)), "cost": lowest, "cost_of_zero": tried[0][1]}
    return Composed(body, "lora", own, weights=tuple(best.tolist()), facts=facts)


def require_alike(updates: Sequence[Update], names: Sequence[str]) -> None:
    """Raise InputError where factors cannot be added: the sources adapt different modules, or at different ranks."""
    hint = "mix-search adds the updates themselves, whatever their ranks and modules."
    shapes = [{name: (pair.shape, pair.rank) for name, pair in update.items()} for update in updates]
    for other, name in zip(shapes[1:], names[1:], strict=True):
        if odd := sorted(shapes[0].keys() ^ other.keys()):
            difference = f"only one of {names[0]} and {name} adapts {', '.join(odd[:4])}"
            raise InputError(f"lorahub adds factors module by module, but {difference}", hint=hint)
        for module in sorted(other):
            if other[module] != shapes[0][module]:
                ranks = f"rank {shapes[0][module][1]} in {names[0]} and {other[module][1]} in {name}"
                raise InputError(f"lorahub adds factors, but {module} has {ranks}", hint=hint)


COMPOSITION = Composition(
    title="LoraHub",
    paper="Huang et al. 2023, arXiv:2307.13269",
    settings=Settings,
    compose=compose,
    needs=PACKAGE,
    needs_target=True,
    revision=2,
)
