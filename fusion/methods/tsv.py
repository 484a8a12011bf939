"""tsv: keep each source's leading singular vectors, make those of all sources orthogonal, add the updates."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from pydantic import Field
from torch import Tensor

from fusion.composition import Composition, MergeSettings, arithmetic
from fusion.lowrank import LowRank, Merged, Truncated, Update, by_module, spectrum
from workbench.bounds import Scale
from workbench.errors import InputError


class Settings(MergeSettings):
    """Each of n sources keeps ``rank`` ÷ n directions; all of them if ``rank`` is null."""

    scale: Scale = Field(1.0, description="α, a factor on the whole")


def merge(updates: Sequence[Update], weights: Sequence[float], settings: Settings, seed: int) -> Merged:
    """Return α U′ diag(w₁S₁ … wₙSₙ) V′ᵀ, U′ and V′ the nearest orthonormal matrices to [U₁ … Uₙ] and [V₁ … Vₙ].

    Where directions of two sources coincide, they share one: the polar factor is taken on the non-zero spectrum.

    Raises:
        InputError: ``rank`` is less than one direction for each source.
    """
    share = settings.rank and settings.rank // len(updates)
    if share == 0:
        raise InputError(f"rank {settings.rank} leaves no direction for each of {len(updates)} sources", where="rank")

    def one(pairs: tuple[LowRank, ...]) -> Truncated:
        parts = [spectrum(pair, share) for pair in pairs]
        values = torch.cat([weight * part.values for part, weight in zip(parts, weights, strict=True)])
        left = _orthogonal(torch.cat([part.u for part in parts], dim=1))  # (out, k)
        right = _orthogonal(torch.cat([part.vt.T for part in parts], dim=1))  # (in, k)
        merged = LowRank(settings.scale * left * values, right.T)
        done = spectrum(merged.to(pairs[0].b.dtype)).truncated()
        return Truncated(
            done.pair, sum(float(part.values.square().sum()) for part in parts), sum(p.lost for p in parts)
        )

    return by_module(updates, one)


def _orthogonal(columns: Tensor) -> Tensor:
    """Return the polar factor P Qᵀ of ``columns`` = P D Qᵀ, (n, k), on the non-zero part of D: C (CᵀC)^(−1/2)."""
    squares, vectors = torch.linalg.eigh(columns.T @ columns)
    solid = squares > 1e-12 * squares.max() if len(squares) else squares > 0
    vectors = vectors[:, solid]
    factor: Tensor = columns @ (vectors / squares[solid].sqrt()) @ vectors.T
    return factor


COMPOSITION = Composition(
    title="TSV-Merge",
    paper="Gargiulo et al. 2025, arXiv:2412.00081, § 3.3",
    settings=Settings,
    compose=arithmetic(merge),
)
