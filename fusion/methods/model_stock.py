"""model-stock: the mean of updates, drawn back to the pretrained weights the more, the wider the angle between them.

t · mean ΔW with t = n cos θ ÷ (1 + (n − 1) cos θ), module by module, exact on factors: the point of the plane through n
fine-tuned models that is nearest to their centre, if they lie on a sphere around it with equal angles θ.

What differs: the paper's models are runs of one task, which lie close together. LoRAs of different tasks are nearly
orthogonal, and then little is left. θ is that of the mean cosine over pairs; where that is not above 0, t is 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from adapter_workbench.fusion.target.composition import Composition, MergeSettings, arithmetic, at_least, uniform
from adapter_workbench.fusion.updates.lowrank import (
    LowRank,
    Merged,
    Truncated,
    Update,
    by_module,
    inner,
    norm,
    spectrum,
    stack,
)

require_two = at_least(2, "model-stock measures the angle between two or more sources")


def merge(updates: Sequence[Update], weights: Sequence[float], settings: MergeSettings, seed: int) -> Merged:
    """Return t · Σ wᵢ ΔWᵢ, wᵢ = 1 / n by default.

    Raises:
        InputError: one source alone, which has no angle.
    """
    require_two(len(updates), settings)

    def merged_module(pairs: tuple[LowRank, ...]) -> Truncated:
        share = _share(pairs)
        return spectrum(stack(pairs, [share * weight for weight in weights]), settings.rank).truncated()

    return by_module(updates, merged_module)


def _share(pairs: Sequence[LowRank]) -> float:
    """Return t of one module; an update of norm 0 is orthogonal to all others."""
    cosines = []
    for first, second in combinations(pairs, 2):
        size = norm(first) * norm(second)
        cosines.append(inner(first, second) / size if size else 0.0)
    cosine = max(sum(cosines) / len(cosines), 0.0)
    return len(pairs) * cosine / (1 + (len(pairs) - 1) * cosine)


COMPOSITION = Composition(
    title="Model Stock",
    paper="Jang et al. 2024, arXiv:2403.19522",
    settings=MergeSettings,
    compose=arithmetic(merge, uniform),
    require_number=require_two,
)
