"""star: each source's leading directions alone, made larger so that its nuclear norm stays, then averaged.

Of ΔWᵢ = U S Vᵀ the fewest leading singular values are kept that make up the share η of their sum; they are multiplied
by the sum of all ÷ the sum of those kept. The weighted mean of the results is exact on factors. η = 0.4 and the mean
are those of the authors' program (github.com/IBM/STAR), which takes η in percent.

What differs: nothing in the rule. With ``known_rank`` the program takes an approximate decomposition; here it is exact.
The mean may be cut with ``rank``.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from pydantic import Field

from adapter_workbench.fusion.target.composition import Composition, MergeSettings, arithmetic, uniform
from adapter_workbench.fusion.updates.lowrank import LowRank, Merged, Truncated, Update, by_module, spectrum, stack
from adapter_workbench.workbench.settings.bounds import Density


class Settings(MergeSettings):
    """The same share of every source in every module; how many directions that is differs."""

    eta: Density = Field(0.4, description="η, share of the sum of singular values that stays of each source")


def merge(updates: Sequence[Update], weights: Sequence[float], settings: Settings, seed: int) -> Merged:
    """Return Σ wᵢ Tᵢ with wᵢ = 1 / n by default, Tᵢ the truncated and rescaled ΔWᵢ."""

    def merged_module(pairs: tuple[LowRank, ...]) -> Truncated:
        parts = [_rescaled(pair, settings.eta) for pair in pairs]
        return spectrum(stack(parts, weights), settings.rank).truncated()

    return by_module(updates, merged_module)


def _rescaled(pair: LowRank, eta: float) -> LowRank:
    """Return the leading directions of b a that make up ``eta`` of its nuclear norm, with all of that norm."""
    values = spectrum(pair).values
    if not len(values):
        return pair
    count = int(torch.searchsorted(values.cumsum(0), eta * values.sum())) + 1
    kept = spectrum(pair, count).pair()
    return LowRank(float(values.sum() / values[:count].sum()) * kept.b, kept.a)


COMPOSITION = Composition(
    title="STAR",
    paper="Lee et al. 2025, arXiv:2502.10339",
    settings=Settings,
    compose=arithmetic(merge, uniform),
)
