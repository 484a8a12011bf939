"""nuslerp: a point on the arc between two updates, one arc for the whole module or one for each row or column.

This is mergekit's `nuslerp` with a base model (``nuslerp_flatten``, ``nuslerp_row_wise``). ``along: whole`` is its
default, and the method ``slerp`` here; ``outputs`` takes an arc for each output unit (rows of ΔW; there, no flattening)
and ``inputs`` one for each input (columns; there, also row-wise). Every arc is a factor on a row of b or a column of a,
hence exact on factors.

What differs: without a base model mergekit takes arcs between whole weights; here it is always updates. It returns a
single source as it is, which is refused here. Where a vector is zero, it counts as orthogonal, as there. The two are
combined along a straight line where |cos Ω| is above 1 − 1e-6; mergekit does so where |sin Ω| is below 1e-8. That shows
for nearly opposite vectors.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from adapter_workbench.fusion.target.composition import Composition, MergeSettings, arithmetic, exactly, uniform
from adapter_workbench.fusion.updates.lowrank import LowRank, Merged, Truncated, Update, by_module, spectrum


class Settings(MergeSettings):
    """Which vectors are turned into each other."""

    along: Literal["whole", "outputs", "inputs"] = Field(
        "whole",
        description="one arc for a module, one for each output unit (row of ΔW), or one for each input (column)",
    )


require_two = exactly(2, "nuslerp takes two sources", "Use `average` for more.")


def merge(updates: Sequence[Update], weights: Sequence[float], settings: Settings, seed: int) -> Merged:
    """Return (sin((1 − t)Ω) v₁ + sin(tΩ) v₂) / sin Ω of each pair of vectors, t = w₂ / (w₁ + w₂), Ω their angle.

    t is ½ where the weights add to zero, as in mergekit; with weights of opposite signs the arc goes on beyond its
    ends. Where the vectors are parallel or opposite, the result is (1 − t) v₁ + t v₂.

    Raises:
        InputError: not two sources.
    """
    require_two(len(updates), settings)
    t = weights[1] / sum(weights) if abs(sum(weights)) >= 1e-6 else 0.5

    def merged_module(pairs: tuple[LowRank, ...]) -> Truncated:
        if settings.along == "inputs":
            turned = _turned([_transposed(pair) for pair in pairs], t, whole=False)
            return spectrum(_transposed(turned), settings.rank).truncated()
        return spectrum(_turned(pairs, t, whole=settings.along == "whole"), settings.rank).truncated()

    return by_module(updates, merged_module)


def _turned(pairs: Sequence[LowRank], t: float, whole: bool) -> LowRank:
    """Return diag(f₁) ΔW₁ + diag(f₂) ΔW₂, f the factors of each row's arc, or of the one arc of all rows together."""
    first, second = pairs
    products = torch.stack([_products(first, first), _products(second, second), _products(first, second)])  # (3, out)
    if whole:
        products = products.sum(dim=1, keepdim=True)  # (3, 1)
    factors = [factor[:, None].to(first.b.dtype) for factor in _arcs(products, t)]
    b = torch.cat([factor * pair.b for factor, pair in zip(factors, pairs, strict=True)], dim=1)
    return LowRank(b, torch.cat([pair.a for pair in pairs]))


def _arcs(products: Tensor, t: float) -> tuple[Tensor, Tensor]:
    """Return the factors of v₁ and v₂, (n,) each, from ⟨v₁, v₁⟩, ⟨v₂, v₂⟩ and ⟨v₁, v₂⟩, (3, n)."""
    first, second, cross = products
    sizes = (first * second).clamp(min=0).sqrt()
    cosines = torch.where(sizes > 0, cross / sizes, 0.0)
    straight = cosines.abs() > 1 - 1e-6
    angles = torch.where(straight, 1.0, cosines.clamp(-1, 1).acos())
    return (
        torch.where(straight, 1 - t, ((1 - t) * angles).sin() / angles.sin()),
        torch.where(straight, t, (t * angles).sin() / angles.sin()),
    )


def _products(first: LowRank, second: LowRank) -> Tensor:
    """Return the inner product of each row of ΔW₁ with the same row of ΔW₂, (out,), in float64."""
    core = first.a.double() @ second.a.double().T  # (r1, r2)
    return ((first.b.double() @ core) * second.b.double()).sum(dim=1)


def _transposed(pair: LowRank) -> LowRank:
    return LowRank(pair.a.T, pair.b.T)


COMPOSITION = Composition(
    title="NuSLERP",
    paper="Shoemake 1985, doi:10.1145/325165.325242, § 3.3; by row or column: mergekit, github.com/arcee-ai/mergekit",
    settings=Settings,
    compose=arithmetic(merge, uniform, relative=True),
    require_number=require_two,
)
