"""core-space: merge small core matrices in the common basis of all factors, then map them back without loss.

U and V are the left singular vectors of [B₁ … Bₙ] and of [A₁ᵀ … Aₙᵀ], and the cores Uᵀ Bᵢ Aᵢ V are merged by TIES in
each module, by TSV, or added; with ``iso``, the singular values of the merged core are then made equal. This is the
authors' program (github.com/apanariello4/core-space-merging), with its variants ``tv``, ``ties``, ``tsv`` and
``isotropize``; those with DARE and CART are not here.

What differs: every scaling of a LoRA is inside its B; weights count in the election (the program has one factor λ for
all sources, searched from 0.1 to 10 on validation data; 1 here); of n entries the program keeps one more. The share
that TIES keeps is 0.2 here, as in KnOTS; the authors' scripts search it from 10 to 100 %, and the program takes 10 %
where it is left out. For TSV the program gives each of n sources ⌊k ÷ n⌋ directions, k the size of a core; here each
source keeps all that it has, which is the same only where ranks are equal. Sums, TSV and Iso are the same in every
basis: ``sum`` is the method ``sum``, ``tsv`` the method ``tsv``, and ``sum`` with ``iso`` the method ``iso-c``. TIES is
not: in the authors' bases it depends on how ΔWᵢ happens to be split into factors. ``split: balanced`` splits each anew,
with √S on both sides, so that the result depends on the updates alone. Of a core that TIES leaves without full rank,
``iso`` levels the values that are not zero, the program all.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from adapter_workbench.fusion.methods.iso_c import flattened
from adapter_workbench.fusion.methods.tsv import orthogonal_sum
from adapter_workbench.fusion.target.composition import Composition, MergeSettings, arithmetic
from adapter_workbench.fusion.updates.lowrank import LowRank, Merged, Truncated, Update, by_module, spectrum
from adapter_workbench.fusion.updates.pruning import elected, floor, total
from adapter_workbench.workbench.settings.bounds import Density, Scale


class Settings(MergeSettings):
    """``inner``: how the cores are merged; ``mean`` gives the plain mean of updates, by linearity."""

    inner: Literal["ties", "tsv", "sum", "mean"] = "ties"
    iso: bool = Field(False, description="whether the singular values of the merged core are made equal")
    split: Literal["stored", "balanced"] = Field(
        "stored", description="the factors that span the bases: those of the files, or U√S and √S Vᵀ of each update"
    )
    density: Density = Field(0.2, description="share of entries that stay, for ties")
    scale: Scale = Field(1.0, description="λ, a factor on the whole")


def merge(updates: Sequence[Update], weights: Sequence[float], settings: Settings, seed: int) -> Merged:
    """Return λ U M Vᵀ, where M merges the cores wᵢ Uᵀ bᵢ aᵢ V, each (k, k′). Cut only if ``rank`` is given."""

    def merged_module(pairs: tuple[LowRank, ...]) -> Truncated:
        factors = [
            (spectrum(pair).pair() if settings.split == "balanced" else pair).to(torch.float64) for pair in pairs
        ]
        u = basis(torch.cat([pair.b for pair in factors], dim=1))  # (out, k)
        v = basis(torch.cat([pair.a.T for pair in factors], dim=1))  # (in, k′)
        core = _merged([LowRank(u.T @ pair.b, pair.a @ v) for pair in factors], weights, settings)
        back = LowRank(settings.scale * u @ core.b, core.a @ v.T)
        return spectrum(back.to(pairs[0].b.dtype), settings.rank).truncated()

    return by_module(updates, merged_module)


def _merged(cores: Sequence[LowRank], weights: Sequence[float], settings: Settings) -> LowRank:
    """Return M (k, k′) of the ``cores``."""
    if settings.inner == "tsv":
        core = orthogonal_sum([spectrum(core) for core in cores], weights)
    else:
        core = as_factors(_entries(cores, weights, settings))
    if not settings.iso:
        return core
    decomposition = spectrum(core)
    return flattened(decomposition, 1.0) if len(decomposition.values) else core


def _entries(cores: Sequence[LowRank], weights: Sequence[float], settings: Settings) -> Tensor:
    if settings.inner == "ties":
        return elected(cores, weights, [floor(core, settings.density) for core in cores])
    return total(cores, [weight / len(cores) for weight in weights] if settings.inner == "mean" else weights)


def as_factors(matrix: Tensor) -> LowRank:
    """Return ``matrix`` (n, m) as a pair of factors: itself, and the identity."""
    return LowRank(matrix, torch.eye(matrix.shape[1], dtype=matrix.dtype))


def basis(columns: Tensor) -> Tensor:
    """Return the left singular vectors of ``columns`` (n, k) that have a singular value: (n, ≤ k)."""
    u, values, _ = torch.linalg.svd(columns, full_matrices=False)
    vectors: Tensor = u[:, values > 1e-6 * values[0]] if values[0] else u[:, :1]
    return vectors


COMPOSITION = Composition(
    title="Core Space",
    paper="Panariello et al. 2025, arXiv:2509.17786, § 4",
    settings=Settings,
    compose=arithmetic(merge, of_equals=fmean),
    revision=2,
)
