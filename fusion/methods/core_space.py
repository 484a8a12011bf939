"""core-space: merge small core matrices in the common basis of all factors, then map them back without loss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from fusion.composition import Composition, MergeSettings, arithmetic
from fusion.lowrank import LowRank, Merged, Truncated, Update, by_module, spectrum
from fusion.pruning import average_or_elect
from workbench.bounds import Density, Scale


class Settings(MergeSettings):
    """``inner``: how the cores are merged; ``mean`` gives the plain mean of updates, by linearity."""

    inner: Literal["ties", "mean"] = "ties"
    density: Density = Field(0.2, description="share of entries that stay, for ties")
    scale: Scale = Field(1.0, description="λ, a factor on the whole")


def merge(updates: Sequence[Update], weights: Sequence[float], settings: Settings, seed: int) -> Merged:
    """Return λ U M Vᵀ, where M merges the cores wᵢ Uᵀ bᵢ aᵢ V, each (k, k).

    U and V are the left singular vectors of [b₁ … bₙ] and of [a₁ᵀ … aₙᵀ], with √Sᵢ on each side of every source, so
    that they do not hang on how ΔWᵢ was split into factors. Cut only if ``rank`` is given.
    """

    def one(pairs: tuple[LowRank, ...]) -> Truncated:
        balanced = [spectrum(pair).pair().to(torch.float64) for pair in pairs]
        u = _basis(torch.cat([pair.b for pair in balanced], dim=1))  # (out, k)
        v = _basis(torch.cat([pair.a.T for pair in balanced], dim=1))  # (in, k')
        cores = [LowRank(u.T @ pair.b, pair.a @ v) for pair in balanced]  # (k, k') each
        merged = settings.scale * average_or_elect(cores, weights, settings.inner, settings.density)
        return spectrum(LowRank(u @ merged, v.T).to(pairs[0].b.dtype), settings.rank).truncated()

    return by_module(updates, one)


def _basis(columns: Tensor) -> Tensor:
    """Return the left singular vectors of ``columns`` (n, k) that have a singular value: (n, ≤ k)."""
    u, values, _ = torch.linalg.svd(columns, full_matrices=False)
    basis: Tensor = u[:, values > 1e-6 * values[0]] if values[0] else u[:, :1]
    return basis


COMPOSITION = Composition(
    title="Core Space",
    paper="Panariello et al. 2025, arXiv:2509.17786, § 4",
    settings=Settings,
    compose=arithmetic(merge),
)
