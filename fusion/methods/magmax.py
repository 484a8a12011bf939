"""magmax: every entry is that of the source whose entry there has the largest magnitude.

What differs: the paper merges models that were trained one from the other; here any sources are taken. Weights, which
the paper has not, multiply before entries are compared. λ (``scale``) is 1 here; the scripts of the authors' program
(github.com/danielm1405/magmax) fix 0.5. Of entries of equal magnitude the program takes that of the last source, here
it is that of the first. The result is dense, and is cut to the rank of a source.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from pydantic import Field
from torch import Tensor

from adapter_workbench.fusion.target.composition import Composition, MergeSettings, arithmetic
from adapter_workbench.fusion.updates.dense import Rule, densely
from adapter_workbench.fusion.updates.lowrank import LowRank, Merged, Update
from adapter_workbench.workbench.settings.bounds import Scale


class Settings(MergeSettings):
    """The paper finds one λ good for most streams."""

    scale: Scale = Field(1.0, description="λ, a factor on the whole")


def merge(updates: Sequence[Update], weights: Sequence[float], settings: Settings, seed: int) -> Merged:
    """Return λ τ, where τₚ is the wᵢ ΔWᵢₚ of the largest magnitude; of equal ones, the first."""
    shares = [settings.scale * weight for weight in weights]

    def largest(deltas: Iterator[Tensor]) -> Tensor:
        first, *others = (weight * delta for weight, delta in zip(shares, deltas, strict=True))
        for other in others:
            first = torch.where(other.abs() > first.abs(), other, first)
        return first

    def rule(pairs: tuple[LowRank, ...]) -> Rule:
        return largest

    return densely(updates, settings.rank, seed, rule)


COMPOSITION = Composition(
    title="MagMax",
    paper="Marczak et al. 2024, arXiv:2407.06322, § 4",
    settings=Settings,
    compose=arithmetic(merge, of_equals=max),
)
