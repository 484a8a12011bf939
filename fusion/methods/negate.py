"""negate: forgetting by subtraction, θ₀ − λ Σ wᵢ ΔWᵢ; or from a sum of adapters, θ₀ + Σᵢ≤ₘ wᵢ ΔWᵢ − λ Σᵢ>ₘ wᵢ ΔWᵢ.

The first is the paper's rule. What differs: λ is 1; the paper picks the λ that forgets most while a control task keeps
95 % of its accuracy. The second form, with sources that stay (``kept``), is not in the paper.
"""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from adapter_workbench.fusion.target.composition import Composition, MergeSettings, arithmetic
from adapter_workbench.fusion.updates.lowrank import Merged, Update, weighted_sum
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.settings.bounds import Scale


class Settings(MergeSettings):
    """The result has the numerical rank of the sum unless ``rank`` is given."""

    scale: Scale = Field(1.0, description="λ, factor on the sources that are subtracted")
    kept: int = Field(0, ge=0, le=1000, description="m: how many of the first sources stay; the others are subtracted")


def require_subtracted(sources: int, settings: Settings) -> None:
    """Make sure that a source is subtracted; raises InputError."""
    if settings.kept >= sources:
        message = f"kept={settings.kept} of {sources} sources leaves no source to subtract"
        raise InputError(message, where="kept", hint="Name what is subtracted last.")


def merge(updates: Sequence[Update], weights: Sequence[float], settings: Settings, seed: int) -> Merged:
    """Return Σᵢ≤ₘ wᵢ ΔWᵢ − λ Σᵢ>ₘ wᵢ ΔWᵢ.

    Raises:
        InputError: all sources are kept, so that nothing is subtracted.
    """
    require_subtracted(len(updates), settings)
    kept = settings.kept
    shares = [*weights[:kept], *(-settings.scale * weight for weight in weights[kept:])]
    return weighted_sum(updates, shares, settings.rank)


COMPOSITION = Composition(
    title="Task negation",
    paper="Ilharco et al. 2023, arXiv:2212.04089, § 3",
    settings=Settings,
    compose=arithmetic(merge),
    require_number=require_subtracted,
)
