"""knots: write all updates in one basis by a joint SVD, merge their aligned components there, reassemble."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from fusion.composition import Composition, MergeSettings, arithmetic
from fusion.lowrank import LowRank, Merged, Truncated, Update, by_module, spectrum, stack, triangle
from fusion.pruning import average_or_elect
from workbench.bounds import Density, Scale


class Settings(MergeSettings):
    """``inner``: how the aligned components are merged; ``mean`` gives the plain mean of updates, by linearity."""

    inner: Literal["ties", "mean"] = "ties"
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


def merge(updates: Sequence[Update], weights: Sequence[float], settings: Settings, seed: int) -> Merged:
    """Return λ U S V, where V merges the wᵢ Vᵢ of :func:`align`, of rank Σ rᵢ at most; ``rank`` cuts it."""

    def one(pairs: tuple[LowRank, ...]) -> Truncated:
        left, aligned = align(pairs)
        merged = settings.scale * average_or_elect(aligned, weights, settings.inner, settings.density)
        return spectrum(LowRank(left, merged).to(pairs[0].b.dtype), settings.rank).truncated()

    return by_module(updates, one)


COMPOSITION = Composition(
    title="KnOTS",
    paper="Stoica et al. 2025, arXiv:2410.19735, § 4",
    settings=Settings,
    compose=arithmetic(merge),
)
