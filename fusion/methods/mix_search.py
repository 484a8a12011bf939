"""mix-search: Σ wᵢ ΔWᵢ with weights searched without gradients on the target's few labelled examples.

LoraHub's search (see ``lorahub``) over the exact weighted sum of updates instead of its product of summed factors:
min over w in [−1.5, 1.5]ⁿ of L(w) + 0.05 Σ |wᵢ| by CMA-ES from w = 0, the cheapest of all that were tried. There are no
cross-terms BᵢAⱼ, sources may differ in rank and in the modules that they adapt, and one source with weight 1 is that
source. For a language model L is its loss on the answers. A classification has no head for an unseen task, and the loss
of a head on the examples on which it was fitted means nothing. There L is the cross-entropy of held-out fifths of the
examples under a logistic regression on the mixed features of the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from pydantic import Field

from adapter_workbench.fusion.target.composition import Composed, Composition
from adapter_workbench.fusion.target.mixing import mixture
from adapter_workbench.fusion.target.searching import PACKAGE, SearchSettings, search, target_loss
from adapter_workbench.fusion.target.target import model_on, require_target
from adapter_workbench.fusion.updates import lora
from adapter_workbench.workbench.settings.bounds import Size

if TYPE_CHECKING:
    from adapter_workbench.fusion.target.composition import Request
    from adapter_workbench.fusion.target.searching import Vector


class Settings(SearchSettings):
    """``regularization`` is a factor on Σ |wᵢ|, as LoraHub's paper writes it."""

    rank: Size | None = Field(None, description="rank of the result; exact (the sum of all ranks) if null")


def compose(request: Request, settings: Settings) -> Composed:
    """Return Σ wᵢ ΔWᵢ with the best weights of all that were tried.

    Raises:
        InputError: no target, or a source that is no plain LoRA.
        TrainingError: with no weighting that was tried the model computes numbers.
    """
    require_target(request)
    mixed = mixture(request)
    model = model_on(request, mixed.body)

    def cost(weights: Vector) -> float:
        mixed.weigh(torch.tensor(weights, dtype=torch.float32).unsqueeze(0))
        return target_loss(model, request) + settings.regularization * float(np.abs(weights).sum())

    tried = search(cost, mixed.sources, settings, request.seed)
    best, lowest = min(tried, key=lambda trial: trial[1])
    merged = mixed.merged(torch.tensor(best, dtype=torch.float32).unsqueeze(0), settings.rank)
    body, own = lora.attach(request.backbone, merged.update)
    facts = {**merged.facts, "evaluations": float(len(tried)), "cost": lowest, "cost_of_zero": tried[0][1]}
    return Composed(body, "lora", own, weights=tuple(best.tolist()), facts=facts)


COMPOSITION = Composition(
    title="Searched mixture of LoRAs",
    paper="after Huang et al. 2023, LoraHub, arXiv:2307.13269: its search, over the exact sum of updates",
    settings=Settings,
    compose=compose,
    needs=PACKAGE,
    needs_target=True,
)
