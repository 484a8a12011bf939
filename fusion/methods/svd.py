"""svd: the best approximation of Σ wᵢ ΔWᵢ that has the rank of a source.

The theorem of Eckart and Young; PEFT's combination type ``svd`` computes the same from the whole matrix.
"""

from __future__ import annotations

from collections.abc import Sequence

from adapter_workbench.fusion.target.composition import Composition, MergeSettings, arithmetic
from adapter_workbench.fusion.updates.lowrank import Merged, Update, largest_rank, weighted_sum


def merge(updates: Sequence[Update], weights: Sequence[float], settings: MergeSettings, seed: int) -> Merged:
    """Return the sum cut to ``rank``, by default the largest rank of a source."""
    return weighted_sum(updates, weights, settings.rank or largest_rank(updates))


COMPOSITION = Composition(
    title="Truncated SVD of the sum",
    paper="Eckart & Young 1936, doi:10.1007/BF02288367",
    settings=MergeSettings,
    compose=arithmetic(merge),
)
