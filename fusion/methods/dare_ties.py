"""dare-ties: drop entries at random and rescale, then elect signs and average the entries that agree.

The settings are those of dare: random dropping takes the place of trimming, as in PEFT's ``dare_ties``. What differs:
the authors' program (github.com/yule-BUAA/MergeLM) runs all of TIES on what is left, its trimming to the largest 20 %
included. The result is dense, and is cut here to the rank of a source.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import fmean

import torch
from torch import Tensor

from adapter_workbench.fusion.methods.dare import Settings
from adapter_workbench.fusion.target.composition import Composition, arithmetic
from adapter_workbench.fusion.updates.dense import densely
from adapter_workbench.fusion.updates.lowrank import Merged, Update
from adapter_workbench.fusion.updates.pruning import drop_, elect


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
    compose=arithmetic(merge, of_equals=fmean),
)
