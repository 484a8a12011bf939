"""subspace-boosting: the sum, whose weak singular values are raised to that of the direction where β is reached.

Σ wᵢ ΔWᵢ = U S Vᵀ; with j the first direction at which S₁ + … + Sⱼ is at least the share β of all, every value below Sⱼ
becomes Sⱼ. Exact on factors.

What differs: the authors' repository could not be read. The rule is that of two other programs, which agree:
fusion_bench (github.com/tanganke/fusion_bench, commit 9c8c6a6), which names the paper, and pull request 639 of mergekit
(github.com/arcee-ai/mergekit), which names the method. They raise the values that are zero too; for a sum of LoRAs
those have arbitrary vectors, and the result is no LoRA. Here only directions of the sources are raised. β = 0.01 is
theirs, for matrices of full rank: of 100 directions or fewer the first has that share alone, and all become as strong
as the first, which is ``iso-c`` at another height. A larger β leaves more as it was, 1 everything. The method is also
used on the results of TIES and others; here it is the sum. α is 1 here.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from pydantic import Field
from torch import Tensor

from adapter_workbench.fusion.target.composition import Composition, MergeSettings, arithmetic
from adapter_workbench.fusion.updates.lowrank import (
    LowRank,
    Merged,
    Spectrum,
    Truncated,
    Update,
    by_module,
    spectrum,
    stack,
)
from adapter_workbench.workbench.settings.bounds import Scale, Share


class Settings(MergeSettings):
    """``rank`` keeps the leading directions, before others are raised; all of the sum if null."""

    beta: Share = Field(0.01, description="β, the share of the sum of singular values that is left as it is")
    scale: Scale = Field(1.0, description="α, a factor on the whole")


def merge(updates: Sequence[Update], weights: Sequence[float], settings: Settings, seed: int) -> Merged:
    """Return α U max(S, Sⱼ) Vᵀ, where Σ wᵢ ΔWᵢ = U S Vᵀ."""

    def merged_module(pairs: tuple[LowRank, ...]) -> Truncated:
        return spectrum(stack(pairs, weights), settings.rank).reshaped(lambda whole: _boosted(whole, settings))

    return by_module(updates, merged_module)


def _boosted(whole: Spectrum, settings: Settings) -> LowRank:
    """Return α U max(S, Sⱼ) Vᵀ of one module, in float64."""
    root = _raised(whole.values, settings.beta).sqrt()
    return LowRank(settings.scale * whole.u * root, root[:, None] * whole.vt)


def _raised(values: Tensor, beta: float) -> Tensor:
    """Return ``values`` (p,), descending, none below the first at which their sum reaches ``beta`` of all."""
    reached = torch.searchsorted(values.cumsum(0), beta * values.sum())
    return values.clamp(min=values[min(int(reached), len(values) - 1)])


COMPOSITION = Composition(
    title="Subspace Boosting",
    paper="Skorobogat et al. 2025, arXiv:2506.16506",
    settings=Settings,
    compose=arithmetic(merge),
)
