"""dare: drop entries of each update at random, rescale the rest, add the updates.

The authors' program (github.com/yule-BUAA/MergeLM, ``mask_merging`` with task arithmetic). What differs: the result
is dense, and is cut here to the rank of a source, which keeps less of it the more is dropped. λ is 1 and p 0.5; the
program searches both.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from pydantic import Field
from torch import Tensor

from adapter_workbench.fusion.target.composition import Composition, MergeSettings, arithmetic
from adapter_workbench.fusion.updates.dense import densely
from adapter_workbench.fusion.updates.lowrank import Merged, Update
from adapter_workbench.fusion.updates.pruning import drop_, weighted_total
from adapter_workbench.workbench.settings.bounds import Scale


class Settings(MergeSettings):
    """The paper searches drop rates from 0.1 to 0.9; rescaling adds noise of p / (1 − p) times the update's energy."""

    drop: float = Field(0.5, ge=0, lt=1, description="p, the share of entries that are dropped")
    scale: Scale = Field(1.0, description="λ, a factor on the whole")


def merge(updates: Sequence[Update], weights: Sequence[float], settings: Settings, seed: int) -> Merged:
    """Return λ Σ wᵢ (mᵢ ⊙ ΔWᵢ) / (1 − p), the masks drawn from ``seed``: by module, block of rows, source."""
    generator = torch.Generator().manual_seed(seed)
    shares = [settings.scale * weight for weight in weights]

    def rule(deltas: Iterator[Tensor]) -> Tensor:
        return weighted_total((drop_(delta, settings.drop, generator) for delta in deltas), shares)

    return densely(updates, settings.rank, seed, lambda pairs: rule)


COMPOSITION = Composition(
    title="DARE",
    paper="Yu et al. 2024, arXiv:2311.03099, § 3",
    settings=Settings,
    compose=arithmetic(merge),
)
