"""compress-then-merge: find the r directions that all sources share best, then merge what each does there.

U (out, r) and V (in, r) with orthonormal columns minimise Σ ‖sᵢ ΔWᵢ − U Uᵀ sᵢ ΔWᵢ V Vᵀ‖², a Tucker-2 decomposition, by
alternating singular value decompositions (HOOI). sᵢ = β + (1 − β) m ÷ ‖ΔWᵢ‖, m the mean norm: at β = 0 every source
counts alike, at 1 by its norm. The coordinates Uᵀ ΔWᵢ V, (r, r) each, are merged by TIES, after DARE where ``drop`` is
not 0, or added, and mapped back: the result has rank r without a cut. All is done in the common bases of the factors
and is exact there, as in the authors' program (github.com/ZhengbaoHe/compress-then-merge), whose passes, tolerance, β
and share of entries (those of its command for ViT-B/32) are taken. ``energy_kept`` tells how much of the sources the
shared directions hold.

What differs: λ is 1 (the program picks it, β and the share on validation data); weights multiply the sources before
(the program has none); of n entries the program keeps one more. Its other rules for coordinates are not here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from adapter_workbench.fusion.methods.core_space import as_factors, basis
from adapter_workbench.fusion.target.composition import Composition, MergeSettings, arithmetic
from adapter_workbench.fusion.updates.lowrank import (
    LowRank,
    Merged,
    Truncated,
    Update,
    by_module,
    largest_rank,
    scaled,
    spectrum,
    stack,
)
from adapter_workbench.fusion.updates.pruning import drop_, elected, floor
from adapter_workbench.workbench.settings.bounds import Density, Scale, Share

PASSES, TOLERANCE = 1000, 1e-6  # of HOOI: it ends where the relative error changes by less


class Settings(MergeSettings):
    """``rank`` is r, the largest rank of a source if null."""

    inner: Literal["ties", "sum"] = Field("ties", description="how the coordinates are merged")
    beta: Share = Field(0.25, description="β, how much a source's norm counts in the choice of directions")
    density: Density = Field(0.25, description="share of coordinates that stay of each source, for ties")
    drop: float = Field(0.0, ge=0, lt=1, description="share of coordinates that are dropped at random before")
    scale: Scale = Field(1.0, description="λ, a factor on the whole")


def merge(updates: Sequence[Update], weights: Sequence[float], settings: Settings, seed: int) -> Merged:
    """Return λ U M Vᵀ, module by module, where M (r, r) merges the coordinates Uᵀ wᵢ ΔWᵢ V.

    The facts ``energy_kept`` and ``truncation_error`` compare the sources' coordinates with the sources.
    """
    generator = torch.Generator().manual_seed(seed)
    rank = settings.rank or largest_rank(updates)

    def merged_module(pairs: tuple[LowRank, ...]) -> Truncated:
        factors = scaled([pair.to(torch.float64) for pair in pairs], weights)
        left = basis(torch.cat([pair.b for pair in factors], dim=1))  # (out, k)
        right = basis(torch.cat([pair.a.T for pair in factors], dim=1))  # (in, k′)
        cores = torch.stack([(left.T @ pair.b) @ (pair.a @ right) for pair in factors])  # (n, k, k′)
        if not cores.any():
            return spectrum(stack(pairs, weights)).truncated()
        u, v = _shared(_balanced(cores, settings.beta), rank)
        coordinates = u.T @ cores @ v  # (n, r, r)
        energy, kept_energy = (float(entries.square().sum()) for entries in (cores, coordinates))
        merged = settings.scale * _merged(coordinates, settings, generator)
        back = LowRank(left @ (u @ merged), (right @ v).T)
        return Truncated(spectrum(back.to(pairs[0].b.dtype)).pair(), kept_energy, max(energy - kept_energy, 0.0))

    return by_module(updates, merged_module)


def _balanced(cores: Tensor, beta: float) -> Tensor:
    """Return the sᵢ ΔWᵢ of the ``cores`` (n, k, k′); what is zero stays zero, and does not count in the mean norm."""
    norms = torch.linalg.vector_norm(cores, dim=(1, 2), keepdim=True)  # (n, 1, 1)
    present = norms > 0
    return torch.where(present, beta + (1 - beta) * norms[present].mean() / norms, 0.0) * cores


def _shared(cores: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """Return U (k, ≤ r) and V (k′, ≤ r) that leave most of the ``cores`` (n, k, k′) in Uᵀ ΔWᵢ V."""
    size = float(cores.norm())
    u, v = _leading(cores, rank), _leading(cores.mT, rank)
    last = math.inf
    for step in range(PASSES):
        u = _leading(cores @ v, rank)
        v = _leading(cores.mT @ u, rank)
        kept_share = float((u.T @ cores @ v).norm()) / size
        error = math.sqrt(abs(1 - kept_share**2))
        if step > 1 and abs(last - error) < TOLERANCE:
            break
        last = error
    return u, v


def _leading(slices: Tensor, rank: int) -> Tensor:
    """Return the ``rank`` leading left singular vectors of the ``slices`` (n, k, m) side by side: (k, ≤ r)."""
    vectors: Tensor = torch.linalg.svd(torch.cat(list(slices), dim=1), full_matrices=False)[0][:, :rank]
    return vectors


def _merged(coordinates: Tensor, settings: Settings, generator: torch.Generator) -> Tensor:
    """Return M (r, r) of the ``coordinates`` (n, r, r)."""
    thinned = coordinates.clone()
    if settings.drop:
        for matrix in thinned:
            drop_(matrix, settings.drop, generator)
    if settings.inner == "sum":
        return thinned.sum(dim=0)
    factors = [as_factors(matrix) for matrix in thinned]
    return elected(factors, [1.0] * len(factors), [floor(factor, settings.density) for factor in factors])


COMPOSITION = Composition(
    title="Compress then Merge",
    paper="He et al. 2026, arXiv:2606.03723",
    settings=Settings,
    compose=arithmetic(merge, of_equals=fmean),
)
