"""negate: forgetting by subtraction, θ₀ − λ Σ wᵢ ΔWᵢ; or from an adapter of several tasks, θ₀ + ΔW₁ − λ Σ wᵢ ΔWᵢ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from fusion.composition import Composition, MergeSettings, arithmetic
from fusion.lowrank import Merged, Update, weighted_sum


class Settings(MergeSettings):
    """The result has the numerical rank of the sum unless ``rank`` is given."""

    scale: float = Field(1.0, allow_inf_nan=False, description="λ, how far to go against the sources")
    minuend: Literal["backbone", "first"] = Field(
        "backbone", description="what they are subtracted from: the bare backbone, or the first source as it is"
    )


def merge(updates: Sequence[Update], weights: Sequence[float], settings: Settings, seed: int) -> Merged:
    """Return −λ Σ wᵢ ΔWᵢ, or ΔW₁ minus that of the others; the weight of what is not subtracted plays no part."""
    shares = [-settings.scale * weight for weight in weights]
    if settings.minuend == "first":
        shares[0] = 1.0
    return weighted_sum(updates, shares, settings.rank)


COMPOSITION = Composition(
    title="Task negation",
    paper="Ilharco et al. 2023, arXiv:2212.04089, § 3",
    settings=Settings,
    compose=arithmetic(merge),
)
