"""knots: write all updates in one basis by a joint SVD, merge what each has there by TIES, map it back.

[ΔW₁ … ΔWₙ] = U S [V₁ … Vₙ], module by module. As in the authors' program (github.com/gstoica27/KnOTS), the S Vᵢ of all
modules together are trimmed to the largest entries, signs are elected and those that agree averaged; U times that is
the result. Here the joint SVD is taken of the factors, exactly, and ΔW is never built.

What differs: weights count in the election (the program has one factor λ for all sources, 1 here: 0.6 for ViT-B/32,
which keeps 20 % of the entries, and 0.5 for Llama 3, which keeps all). Of n entries the program keeps one more. Its
variant with DARE is not here. ``rule: core-space`` is what the authors of Core Space compare with under the name of
KnOTS (arXiv:2509.17786, github.com/apanariello4/core-space-merging): Vᵢ is trimmed instead of S Vᵢ, so that weak
directions count as much as strong ones, and in each module apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from adapter_workbench.fusion.target.composition import Composition, MergeSettings, arithmetic
from adapter_workbench.fusion.updates.lowrank import (
    LowRank,
    Merged,
    Truncated,
    Update,
    aligned,
    collect,
    spectrum,
    stack,
    triangle,
)
from adapter_workbench.fusion.updates.pruning import elected, floor, floor_across, total
from adapter_workbench.workbench.settings.bounds import Density, Scale


class Settings(MergeSettings):
    """``inner``: how the aligned components are merged; ``mean`` gives the plain mean of updates, by linearity."""

    inner: Literal["ties", "mean"] = "ties"
    rule: Literal["knots", "core-space"] = Field(
        "knots", description="what ties trims: S·V over all modules (KnOTS), or V in each module (Core Space's KnOTS)"
    )
    density: Density = Field(0.2, description="share of entries that stay, for ties")
    scale: Scale = Field(1.0, description="λ, a factor on the whole")


def align(pairs: Sequence[LowRank]) -> tuple[Tensor, list[LowRank]]:
    """Return U S (out, p) and the Vᵢ (p, in) with ΔWᵢ = U S Vᵢ, of the decomposition [ΔW₁ … ΔWₙ] = U S [V₁ … Vₙ].

    Exact, and never builds ΔW: the triangle of the right factor, diag(a₁, …, aₙ), is the diagonal of theirs. All in
    float64; p ≤ Σ rᵢ.
    """
    corners = [triangle(pair.a.double().T) for pair in pairs]
    corner = torch.block_diag(*corners)  # type: ignore[no-untyped-call]  # torch gives it no types
    joint = spectrum(stack(pairs, [1.0] * len(pairs)), right=corner)
    loads = torch.split(joint.right / joint.values[:, None], [pair.rank for pair in pairs], dim=1)  # (p, rᵢ) each
    return joint.b @ joint.left, [LowRank(load, pair.a.double()) for load, pair in zip(loads, pairs, strict=True)]


def scaled(left: Tensor, parts: Sequence[LowRank]) -> tuple[Tensor, list[LowRank]]:
    """Return U (out, p) and the S Vᵢ (p, in), of U S and the Vᵢ that :func:`align` gives."""
    values = left.norm(dim=0)  # S, (p,): the columns of U have length 1
    return left / values, [LowRank(values[:, None] * part.b, part.a) for part in parts]


def merge(updates: Sequence[Update], weights: Sequence[float], settings: Settings, seed: int) -> Merged:
    """Return λ U M, module by module, of rank Σ rᵢ at most, where M merges the wᵢ S Vᵢ; ``rank`` cuts it."""
    pairs = dict(aligned(updates))
    spaces = {name: align(module_pairs) for name, module_pairs in pairs.items()}
    if settings.rule == "knots":
        spaces = {name: scaled(*space) for name, space in spaces.items()}
    floors = _floors([parts for _, parts in spaces.values()], settings)

    def merged_module(name: str, least: Sequence[float]) -> Truncated:
        (left, parts), dtype = spaces[name], pairs[name][0].b.dtype
        if settings.inner == "mean":
            merged = total(parts, [weight / len(parts) for weight in weights])
        else:
            merged = elected(parts, weights, least)
        return spectrum(LowRank(settings.scale * left, merged).to(dtype), settings.rank).truncated()

    return collect((name, merged_module(name, least)) for name, least in zip(pairs, floors, strict=True))


def _floors(modules: Sequence[Sequence[LowRank]], settings: Settings) -> list[list[float]]:
    """Return for each module the smallest magnitude that stays of each source; without ties, nothing is trimmed."""
    if settings.inner == "mean":
        return [[0.0] * len(parts) for parts in modules]
    if settings.rule == "core-space":
        return [[floor(part, settings.density) for part in parts] for parts in modules]
    by_source = [dict(zip(map(str, range(len(modules))), parts, strict=True)) for parts in zip(*modules, strict=True)]
    across = [floor_across(parts, settings.density) for parts in by_source]
    return [across] * len(modules)


COMPOSITION = Composition(
    title="KnOTS",
    paper="Stoica et al. 2025, arXiv:2410.19735, § 4",
    settings=Settings,
    compose=arithmetic(merge, of_equals=fmean),
    revision=2,
)
