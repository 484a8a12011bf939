"""opcm: sources are added one after the other, each without what would touch the directions already in use.

With Mₜ₋₁ = U S Vᵀ the merge of the sources before, source t loses the entries of P = Uᵀ ΔWₜ V that stand in the
leading k × k block or on the diagonal: Mₜ = (λₜ₋₁ Mₜ₋₁ + ΔWₜ − U Q Vᵀ) ÷ λₜ, Q those entries of P. k is the number of
leading singular values that together stay within the share α of their sum, all of them at α = 1. λₜ gives Mₜ, over all
modules, the mean norm of the sources so far; λ₁ = 1. The order of the sources counts. Everything is exact on factors:
no ΔW is built.

What differs: the authors' program (github.com/tanganke/fusion_bench) completes U and V to square matrices by arbitrary
vectors of the null space, and also takes the diagonal entries between those out. Here only directions that Mₜ₋₁ has
take part. At α = 1 the program's k is 0, since its first value above the share is searched and there is none; here it
is p. The program shuffles the sources by default; here the given order counts. Weights multiply sources before
all else; the program has none. The result is cut to the rank of a source.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean

import torch
from pydantic import Field
from torch import Tensor

from adapter_workbench.fusion.target.composition import Composition, MergeSettings, arithmetic
from adapter_workbench.fusion.updates.lowrank import (
    LowRank,
    Merged,
    Update,
    aligned,
    collect,
    largest_rank,
    norm,
    scaled,
    spectrum,
    times,
)
from adapter_workbench.workbench.settings.bounds import Scale


class Settings(MergeSettings):
    """``rank`` is that of a source if null, as for every method whose exact result grows with the sources."""

    alpha: float = Field(0.5, ge=0, le=1, description="α, how much of the sum of singular values is kept untouched")
    scale: Scale = Field(1.0, description="a factor on the whole")


def merge(updates: Sequence[Update], weights: Sequence[float], settings: Settings, seed: int) -> Merged:
    """Return ``scale`` Mₙ of n sources in their order, cut to ``rank``."""
    columns = {name: scaled(pairs, weights) for name, pairs in aligned(updates)}
    norms = [_norm({name: pairs[t] for name, pairs in columns.items()}) for t in range(len(updates))]
    merged, factor = {name: pairs[0] for name, pairs in columns.items()}, 1.0
    for t in range(1, len(updates)):
        added = {name: _added(merged[name], pairs[t], factor, settings.alpha) for name, pairs in columns.items()}
        whole, wanted = _norm(added), math.fsum(norms[: t + 1]) / (t + 1)
        factor = whole / wanted if whole and wanted else 1.0
        merged = {name: times(1 / factor, pair) for name, pair in added.items()}
    rank, dtypes = settings.rank or largest_rank(updates), {name: pairs[0].b.dtype for name, pairs in columns.items()}
    result = {name: times(settings.scale, pair).to(dtypes[name]) for name, pair in merged.items()}
    return collect((name, spectrum(pair, rank).truncated()) for name, pair in result.items())


def _added(merged: LowRank, new: LowRank, factor: float, alpha: float) -> LowRank:
    """Return λₜ₋₁ M + ΔW − U Q Vᵀ = U (λₜ₋₁ S − Q) Vᵀ + ΔW, of rank at most that of both."""
    before = spectrum(merged)
    u, vt = before.u, before.vt  # (out, p), (p, in)
    entries = (u.T @ new.b.double()) @ (new.a.double() @ vt.T)  # P, (p, p)
    core = torch.diag(factor * before.values) - torch.where(_removed(before.values, alpha), entries, 0.0)
    return LowRank(torch.cat([u @ core, new.b.double()], dim=1), torch.cat([vt, new.a.double()]))


def _removed(values: Tensor, alpha: float) -> Tensor:
    """Return the mask (p, p) of entries of P that are removed from the new source."""
    over = values.cumsum(0) > alpha * values.sum()
    k = int(over.float().argmax()) if alpha < 1 and bool(over.any()) else len(values)
    taken = torch.eye(len(values), dtype=torch.bool)
    taken[:k, :k] = True
    return taken


def _norm(update: Mapping[str, LowRank]) -> float:
    """Return ‖update‖_F over all modules."""
    return math.hypot(*(norm(pair) for pair in update.values()))


COMPOSITION = Composition(
    title="OPCM",
    paper="Tang et al. 2025, arXiv:2501.09522, § 3",
    settings=Settings,
    compose=arithmetic(merge, of_equals=fmean),
    revision=2,
    affects={2: lambda request, settings: settings.alpha == 1},
)
