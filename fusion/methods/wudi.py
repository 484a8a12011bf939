"""wudi: the merged update that changes each source least, on inputs estimated from the source's own update.

The merge M of a module minimises Σ ‖(M − ΔWᵢ) ΔWᵢᵀ‖² ÷ ‖ΔWᵢ‖²: the rows of ΔWᵢ stand for the inputs of its task, since
the gradient of a layer is made of its inputs. ``solver: exact`` is the minimum, of all minima the nearest to Σ ΔWᵢ: a
least-squares problem in the row space of the sources, exact on factors. Where the rows of all sources are independent,
M does on the rows of each source what that source does.

What differs: the paper and its program (github.com/nathanielyvo/WUDI-Merging) take 300 steps of Adam from the sum.
``solver: adam`` does what the program for ViT does (vit/wudi_main.py; FusionBench too, with 400 steps in its
configuration): steps at 1e-5, and division by ‖ΔWᵢ‖². It then cuts the result, which has full rank, to the rank that
the sum of the sources can have. The program for RoBERTa has steps at 2e-5. A further script for ViT (vit/coef.py),
which tries factors on the result, divides by ‖ΔWᵢ‖: a source with large updates then counts more, in the minimum too.
How far 300 steps lead depends on how large the updates are. Some of the authors report later (arXiv:2606.07289) that
the minimum is worse than the steps, since its weakest directions are noise. Weights multiply the sources before; the
program has none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import fmean
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from adapter_workbench.fusion.target.composition import Composition, MergeSettings, arithmetic
from adapter_workbench.fusion.updates.dense import Rule, densely
from adapter_workbench.fusion.updates.lowrank import (
    LowRank,
    Merged,
    Truncated,
    Update,
    by_module,
    largest_rank,
    norm,
    scaled,
    spectrum,
    stack,
)
from adapter_workbench.workbench.settings.bounds import LearningRate, Whole


class Settings(MergeSettings):
    """``steps`` and ``learning_rate`` are for Adam; exact is the minimum itself."""

    solver: Literal["exact", "adam"] = Field("exact", description="the minimum itself, or steps towards it, then cut")
    steps: Whole = Field(300, description="steps of Adam")
    learning_rate: LearningRate = Field(1e-5, description="of Adam")


def merge(updates: Sequence[Update], weights: Sequence[float], settings: Settings, seed: int) -> Merged:
    """Return argmin over M of Σ ‖(M − wᵢ ΔWᵢ) ΔWᵢᵀ‖²_F ÷ ‖ΔWᵢ‖²_F, module by module, or what Adam makes of it."""

    def exactly(pairs: tuple[LowRank, ...]) -> Truncated:
        return spectrum(_minimum(scaled(pairs, weights)).to(pairs[0].b.dtype), settings.rank).truncated()

    if settings.solver == "exact":
        return by_module(updates, exactly)
    rank = settings.rank or sum(largest_rank([update]) for update in updates)
    return densely(updates, rank, seed, lambda pairs: _descent(scaled(pairs, weights), weights, settings))


def _minimum(pairs: Sequence[LowRank]) -> LowRank:
    """Return S + (T − S Z) Z⁺ in float64, S = Σ ΔWᵢ, Z = [ΔWᵢᵀUᵢ ÷ ‖ΔWᵢ‖], T = [ΔWᵢΔWᵢᵀUᵢ ÷ ‖ΔWᵢ‖] over all i.

    With ΔWᵢ = Uᵢ Sᵢ Vᵢᵀ the loss is ‖M Z − T‖². Directions below 1e-6 of Z's largest stay as they are in S.
    """
    spectra = [svd for svd in map(spectrum, pairs) if len(svd.values)]
    if not spectra:
        return pairs[0]
    shares = [svd.values / svd.values.norm() for svd in spectra]
    inputs = torch.cat([svd.vt.T * share for svd, share in zip(spectra, shares, strict=True)], dim=1)  # Z (in, k)
    outputs = torch.cat(
        [svd.u * svd.values * share for svd, share in zip(spectra, shares, strict=True)],
        dim=1,
    )  # T
    total = stack(pairs, [1.0] * len(pairs)).to(torch.float64)
    missing = outputs - total.b @ (total.a @ inputs)  # (out, k)
    inverse = torch.linalg.pinv(inputs, rtol=1e-6)  # (k, in)
    return LowRank(torch.cat([total.b, missing], dim=1), torch.cat([total.a, inverse]))


def _descent(pairs: Sequence[LowRank], weights: Sequence[float], settings: Settings) -> Rule:
    """Return the rule that walks down the loss from the sum of ``pairs``, which have their ``weights`` inside."""
    # Gᵢ = ΔWᵢᵀΔWᵢ ÷ ‖ΔWᵢ‖² = left @ right, (in, rᵢ) and (rᵢ, in): the gradient is 2 Σ (M − ΔWᵢ) Gᵢ, row by row
    lefts = [pair.a.T @ (pair.b.T @ pair.b) / (norm(pair) ** 2 or 1.0) for pair in pairs]
    left, right = torch.cat(lefts, dim=1), torch.cat([pair.a for pair in pairs])

    def rule(deltas: Iterator[Tensor]) -> Tensor:
        targets = torch.stack([weight * delta for weight, delta in zip(weights, deltas, strict=True)])  # (n, rows, in)
        pull = torch.cat([target @ part for target, part in zip(targets, lefts, strict=True)], dim=1) @ right
        merged = targets.sum(dim=0)  # (rows, in)
        adam = torch.optim.Adam([merged], lr=settings.learning_rate)
        for _ in range(settings.steps):
            merged.grad = 2 * (merged @ left @ right - pull)
            adam.step()
        return merged.detach()

    return rule


COMPOSITION = Composition(
    title="WUDI-Merging",
    paper="Cheng et al. 2025, arXiv:2503.08099",
    settings=Settings,
    compose=arithmetic(merge, of_equals=fmean),
)
