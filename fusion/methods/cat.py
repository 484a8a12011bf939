"""cat: all factors side by side, Σ wᵢ ΔWᵢ without any decomposition; the rank is the sum of ranks.

PEFT's combination type ``cat``; of rsLoRA sources too, which PEFT scales by √r.
"""

from __future__ import annotations

from collections.abc import Sequence

from adapter_workbench.fusion.target.composition import Composition, WeightSettings, arithmetic
from adapter_workbench.fusion.updates.lowrank import LowRank, Merged, Truncated, Update, by_module, norm, stack


def merge(updates: Sequence[Update], weights: Sequence[float], settings: WeightSettings, seed: int) -> Merged:
    """Return [w₁b₁ … wₙbₙ] [a₁; …; aₙ]."""

    def stacked(pairs: tuple[LowRank, ...]) -> Truncated:
        pair = stack(pairs, weights)
        return Truncated(pair, norm(pair) ** 2, 0.0)

    return by_module(updates, stacked)


COMPOSITION = Composition(
    title="Concatenated LoRA",
    paper="Mangrulkar et al. 2022, github.com/huggingface/peft (combination type `cat`)",
    settings=WeightSettings,
    compose=arithmetic(merge),
)
