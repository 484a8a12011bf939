"""sce: the entries on which updates differ most, each update weighted by its energy there, signs elected.

In a module: keep the share ``select_topk`` of the entries, those of largest variance over the sources; weight source i
by ηᵢ, its share of the squares that are kept; average, entry by entry, those whose sign is that of the sum, with ηᵢ.

What differs from mergekit's `sce`: the result is dense, and is cut here to the rank of a source. Weights multiply the
updates before. Entries that vary as much as the last one kept are kept too. Where the mean squares of the sources add
up to less than 1e-6 (two sources with entries of about 7e-4), mergekit weighs all sources alike. Here, as in the
authors' program (github.com/fanqiwan/FuseAI), that happens only where they are exactly 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from pydantic import Field
from torch import Tensor

from adapter_workbench.fusion.target.composition import Composition, MergeSettings, arithmetic
from adapter_workbench.fusion.updates.dense import Rule, blocks, densely
from adapter_workbench.fusion.updates.lowrank import LowRank, Merged, Update, scaled
from adapter_workbench.workbench.settings.bounds import Density


class Settings(MergeSettings):
    """Everything is kept by default, as in mergekit: then energies and signs decide alone."""

    select_topk: Density = Field(1.0, description="share of the entries that differ, those of largest variance")


def merge(updates: Sequence[Update], weights: Sequence[float], settings: Settings, seed: int) -> Merged:
    """Return the weighted mean of the wᵢ ΔWᵢ that agree in sign with their sum, where they differ most."""

    def rule(pairs: tuple[LowRank, ...]) -> Rule:
        weighted = scaled(pairs, weights)
        least = _least_variance(weighted, settings.select_topk)
        shares = _shares(weighted, least)
        factors = torch.tensor(list(weights), dtype=pairs[0].b.dtype)[:, None, None]
        return lambda deltas: _agreeing(_varying(factors * torch.stack(list(deltas)), least), shares)

    return densely(updates, settings.rank, seed, rule)


def _of_equals(weights: Sequence[float]) -> float:
    """Return Σ wᵢ³ ÷ Σ wᵢ²: of equal updates, ηᵢ is the share of wᵢ²."""
    return math.fsum(weight**3 for weight in weights) / math.fsum(weight**2 for weight in weights)


def _least_variance(pairs: Sequence[LowRank], share: float) -> float:
    """Return the smallest variance of an entry that is kept; below 0 where all are."""
    if share == 1:
        return -1.0
    variances = torch.cat([_stacked(pairs, rows).var(dim=0, correction=0).flatten() for rows in blocks(pairs[0])])
    count = int(share * int(variances.count_nonzero()))
    return float(variances.topk(count).values[-1]) if count else float("inf")


def _shares(pairs: Sequence[LowRank], least: float) -> Tensor:
    """Return ηᵢ, (n, 1, 1): each source's share of the squares that are kept; equal ones where nothing is."""
    energies = sum(_varying(_stacked(pairs, rows), least).double().square().sum((1, 2)) for rows in blocks(pairs[0]))
    assert isinstance(energies, Tensor), "a module has rows"
    shares = energies / energies.sum() if energies.sum() else torch.full_like(energies, 1 / len(pairs))
    return shares.to(pairs[0].b.dtype)[:, None, None]


def _stacked(pairs: Sequence[LowRank], rows: slice) -> Tensor:
    """Return ΔWᵢ in some rows: (n, rows, in)."""
    return torch.stack([pair.b[rows] @ pair.a for pair in pairs])


def _varying(deltas: Tensor, least: float) -> Tensor:
    """Return (n, rows, in) with 0 where the sources vary less."""
    return deltas * (deltas.var(dim=0, correction=0) >= least)


def _agreeing(deltas: Tensor, shares: Tensor) -> Tensor:
    """Return Σ ηᵢ δᵢ ÷ Σ ηᵢ over the sources whose sign is that of Σ δᵢ, (rows, in); 0 where none is."""
    own = shares * (deltas.sign() == deltas.sum(dim=0).sign())
    return (own * deltas).sum(dim=0) / own.sum(dim=0).clamp(min=1e-6)


COMPOSITION = Composition(
    title="SCE",
    paper="Wan et al. 2024 (FuseChat), arXiv:2408.07990",
    settings=Settings,
    compose=arithmetic(merge, of_equals=_of_equals),
)
