"""slerp: a point on the arc between two updates, module by module.

Shoemake's formula is for unit quaternions. It is used here as tools for merging use it: the angle is that of the two
updates, their norms stay in the sum. What differs: mergekit takes the arc between whole weight tensors, here it is that
between updates.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from adapter_workbench.fusion.target.composition import Composition, MergeSettings, arithmetic, exactly, uniform
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
from adapter_workbench.workbench.errors import InputError

require_two = exactly(
    2,
    "slerp takes two sources",
    "With three sources the result would depend on their order; use `average` for more than two.",
)


def require_arc(sources: int, settings: MergeSettings) -> None:
    """Make sure that there are two sources, and that weights which are given make a point on the arc between them.

    Raises:
        InputError: they do not.
    """
    require_two(sources, settings)
    if settings.weights is not None:
        _require_on_arc(settings.weights)


def merge(updates: Sequence[Update], weights: Sequence[float], settings: MergeSettings, seed: int) -> Merged:
    """Return (sin((1 − t)Ω) ΔW₁ + sin(tΩ) ΔW₂) / sin Ω, with t = w₂ / (w₁ + w₂) and Ω the angle between the two.

    A linear combination, hence low-rank exactly, at the rank of both together unless ``rank`` is given. Where the two
    are parallel, opposite, or one is zero, there is no arc, and the combination is (1 − t) ΔW₁ + t ΔW₂. More than two
    sources are refused, since the result of repeated arcs depends on their order.

    Raises:
        InputError: not two sources, or weights that give no t in [0, 1].
    """
    require_two(len(updates), settings)
    _require_on_arc(weights)
    t = weights[1] / sum(weights)

    def merged_module(pairs: tuple[LowRank, ...]) -> Truncated:
        return spectrum(stack(pairs, _arc(pairs[0], pairs[1], t)), settings.rank).truncated()

    return by_module(updates, merged_module)


def _require_on_arc(weights: Sequence[float]) -> None:
    if min(weights, default=0) < 0 or not sum(weights):
        raise InputError(f"slerp needs weights ≥ 0 that are not all zero, got {list(weights)}", where="weights")


def _arc(first: LowRank, second: LowRank, t: float) -> tuple[float, float]:
    size = norm(first) * norm(second)
    cosine = inner(first, second) / size if size else 1.0
    if abs(cosine) > 1 - 1e-6:
        return 1 - t, t
    angle = math.acos(cosine)
    return math.sin((1 - t) * angle) / math.sin(angle), math.sin(t * angle) / math.sin(angle)


COMPOSITION = Composition(
    title="Spherical interpolation",
    paper="Shoemake 1985, doi:10.1145/325165.325242, § 3.3",
    settings=MergeSettings,
    compose=arithmetic(merge, uniform, relative=True),
    require_number=require_arc,
)
