"""sum: task arithmetic, θ₀ + λ Σ wᵢ ΔWᵢ, exact at its own rank.

The paper's rule, for the adapted matrices (a LoRA changes no others). What differs: λ is 1; the paper picks one λ for
all sources on validation data, and it is usually below 1.
"""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from adapter_workbench.fusion.target.composition import Composition, MergeSettings, arithmetic
from adapter_workbench.fusion.updates.lowrank import Merged, Update, weighted_sum
from adapter_workbench.workbench.settings.bounds import Scale


class Settings(MergeSettings):
    """The result has the numerical rank of the sum unless ``rank`` is given."""

    scale: Scale = Field(1.0, description="λ, a factor on the whole")


def merge(updates: Sequence[Update], weights: Sequence[float], settings: Settings, seed: int) -> Merged:
    """Return λ Σ wᵢ ΔWᵢ."""
    return weighted_sum(updates, [settings.scale * weight for weight in weights], settings.rank)


COMPOSITION = Composition(
    title="Task arithmetic",
    paper="Ilharco et al. 2023, arXiv:2212.04089, § 2",
    settings=Settings,
    compose=arithmetic(merge),
)
