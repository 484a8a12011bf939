"""dare-ties: drop entries at random and rescale, then elect signs and average what agrees."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from pydantic import Field
from torch import Tensor

from fusion.composition import Composition, MergeSettings, arithmetic
from fusion.dense import densely
from fusion.lowrank import Merged, Update
from fusion.pruning import drop_, elect


class Settings(MergeSettings):
    """As for dare; random dropping stands in the place of trimming."""

    drop: float = Field(0.5, ge=0, lt=1, description="p, the share of entries that are dropped")
    scale: float = Field(1.0, allow_inf_nan=False, description="λ, a factor on the whole")


def merge(updates: Sequence[Update], weights: Sequence[float], settings: Settings, seed: int) -> Merged:
    """Return λ times the disjoint mean of wᵢ (mᵢ ⊙ ΔWᵢ) / (1 − p); masks as for dare."""
    generator = torch.Generator().manual_seed(seed)
    shares = [settings.scale * weight for weight in weights]

    def rule(deltas: Iterator[Tensor]) -> Tensor:
        return elect(
            drop_(delta, settings.drop, generator).mul_(share) for delta, share in zip(deltas, shares, strict=True)
        )

    return densely(updates, settings.rank, seed, lambda pairs: rule)


COMPOSITION = Composition(
    title="DARE with TIES",
    paper="Yu et al. 2024, arXiv:2311.03099, § 4, and Yadav et al. 2023, arXiv:2306.01708, § 3",
    settings=Settings,
    compose=arithmetic(merge),
)
