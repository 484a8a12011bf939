"""magnitude: keep each module's largest entries, then add the updates.

What differs: Han et al. prune weights of one model and train what is left again; here updates are pruned, and nothing
is trained. PEFT's combination type ``magnitude_prune`` does so on A and B apart. The result is dense, and is cut to the
rank of a source.
"""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from adapter_workbench.fusion.target.composition import Composition, MergeSettings, arithmetic
from adapter_workbench.fusion.updates.dense import Rule, densely
from adapter_workbench.fusion.updates.lowrank import LowRank, Merged, Update
from adapter_workbench.fusion.updates.pruning import floor, trim_, weighted_total
from adapter_workbench.workbench.settings.bounds import Density, Scale


class Settings(MergeSettings):
    """The density is that of TIES, whose first step this is."""

    density: Density = Field(0.2, description="share of entries that stay")
    scale: Scale = Field(1.0, description="λ, a factor on the whole")


def merge(updates: Sequence[Update], weights: Sequence[float], settings: Settings, seed: int) -> Merged:
    """Return λ Σ wᵢ (mᵢ ⊙ ΔWᵢ)."""
    shares = [settings.scale * weight for weight in weights]

    def rule(pairs: tuple[LowRank, ...]) -> Rule:
        floors = [floor(pair, settings.density) for pair in pairs]
        return lambda deltas: weighted_total(
            (trim_(delta, least) for delta, least in zip(deltas, floors, strict=True)), shares
        )

    return densely(updates, settings.rank, seed, rule)


COMPOSITION = Composition(
    title="Magnitude pruning",
    paper="Han et al. 2015, arXiv:1506.02626, § 3",
    settings=Settings,
    compose=arithmetic(merge),
)
