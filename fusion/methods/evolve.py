"""evolve: a weight for each source in each layer, searched without gradients from the average on.

min over |w| of L(Σ |wᵢ| ΔWᵢ), w one number for each source and each group of ``layers`` consecutive layers, by CMA-ES
from 1 ÷ n with standard deviation 1 ÷ 6 in 100 evaluations; the cheapest of all that was tried is taken. These are the
values of mergekit-evolve (github.com/arcee-ai/mergekit), which follows the parameter-space part of the paper. L is the
loss of ``mix-search``, without its penalty. CMA-ES learns little from 100 evaluations of more than some dozens of
weights: with many layers, raise ``layers`` or ``evaluations``.

What differs: the paper evolves weights and densities of TIES with DARE, from 0.5, in 1000 evaluations; here it is the
exact sum of updates, mergekit's ``task_arithmetic``, whose body is weighed anew without a merge. Paper and mergekit
maximise a score; a score of few examples hardly moves, so here it is a loss. By default mergekit has one weight a
source for all layers (``layer_granularity`` 0); here each layer has its own. Where mergekit's groups have to divide the
number of layers, the last one may be smaller here; modules outside the layers have weights of their own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from pydantic import Field

from adapter_workbench.fusion.target.composition import Composed, Composition, CompositionSettings
from adapter_workbench.fusion.target.mixing import halves_apart, mixture
from adapter_workbench.fusion.target.searching import PACKAGE, minimise, target_loss
from adapter_workbench.fusion.target.target import model_on, require_target
from adapter_workbench.workbench.settings.bounds import Size, Whole

if TYPE_CHECKING:
    from torch import Tensor

    from adapter_workbench.fusion.target.composition import Request
    from adapter_workbench.fusion.target.searching import Vector

SPREAD = 1 / 6  # first standard deviation of the search


class Settings(CompositionSettings):
    """``layers`` is mergekit's ``layer_granularity``, ``negative`` its ``allow_negative_weights``."""

    evaluations: Whole = Field(100, description="how many weightings are tried")
    layers: Size = Field(1, description="how many consecutive layers share their weights")
    negative: bool = Field(False, description="whether weights may be negative; their magnitudes count if not")
    rank: Size | None = Field(None, description="rank of the result; exact (the sum of all ranks) if null")


def compose(request: Request, settings: Settings) -> Composed:
    """Return the cheapest mixture that was tried as one LoRA; ``details`` holds its weights, layer by layer.

    Raises:
        InputError: no target, or a source that is no plain LoRA.
        TrainingError: with no weighting that was tried the model computes numbers.
    """
    require_target(request)
    mixed = mixture(request, "layer", settings.layers)
    model = model_on(request, mixed.body)

    def weights(point: Vector) -> Tensor:
        matrix = torch.tensor(point, dtype=torch.float32).reshape(-1, mixed.sources)  # (groups, sources)
        return matrix if settings.negative else matrix.abs()

    def cost(point: Vector) -> float:
        mixed.weigh(weights(point))
        return target_loss(model, request)

    average = np.full(len(mixed.groups) * mixed.sources, 1 / mixed.sources)
    tried = minimise(cost, average, SPREAD, settings.evaluations, request.seed)
    best, lowest = min(tried, key=lambda trial: trial[1])
    facts = {"evaluations": float(len(tried)), "cost": lowest, "cost_of_average": tried[0][1]}
    return mixed.composed(request.backbone, weights(best), settings.rank, facts)


COMPOSITION = Composition(
    title="Evolutionary model merging",
    paper="Akiba et al. 2024, arXiv:2403.13187, parameter space; mergekit-evolve",
    settings=Settings,
    compose=compose,
    needs=PACKAGE,
    needs_target=True,
    revision=2,
    affects={2: lambda request, settings: halves_apart(request, "layer")},
)
