"""tsv: keep each source's leading singular vectors, make those of all sources orthogonal, add the updates.

Each ΔWᵢ = Uᵢ Sᵢ Vᵢᵀ; [U₁ … Uₙ] and [V₁ … Vₙ] are replaced by the nearest orthonormal matrices (Procrustes), as in the
authors' program (github.com/AntoAndGar/task_singular_vectors), and Sᵢ stays.

What differs: the program keeps min(out, in) ÷ n singular vectors of every source. A LoRA has only r of them with a
singular value that is not zero; the others are arbitrary vectors of the null space, and orthogonalising with them moves
the r that count (by 0.66 of the result's norm for four random LoRAs of rank 8 at 384 × 384). Here only directions that
a source has take part, all of them unless ``rank`` is given; ``core-space`` with ``inner: tsv`` is the same. For
sources of equal rank this is TSV in Core Space (arXiv:2509.17786). Where ranks differ, the program of that paper still
gives each of n sources ⌊k ÷ n⌋ directions, k the size of a core. Weights are factors on Sᵢ; the program has none. α is
1 here; the authors pick it on validation data.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

import torch
from pydantic import Field
from torch import Tensor

from adapter_workbench.fusion.target.composition import Composition, MergeSettings, arithmetic
from adapter_workbench.fusion.updates.lowrank import LowRank, Merged, Spectrum, Truncated, Update, by_module, spectrum
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.settings.bounds import Scale


class Settings(MergeSettings):
    """Each of n sources keeps ``rank`` ÷ n directions; all of them if ``rank`` is null."""

    scale: Scale = Field(1.0, description="α, a factor on the whole")


def require_rank(sources: int, settings: Settings) -> None:
    """Make sure that ``rank`` has a direction for each source; raises InputError."""
    if settings.rank is not None and settings.rank < sources:
        message = f"rank {settings.rank} is less than one direction for each of {sources} sources"
        raise InputError(message, where="rank")


def merge(updates: Sequence[Update], weights: Sequence[float], settings: Settings, seed: int) -> Merged:
    """Return α U′ diag(w₁S₁ … wₙSₙ) V′ᵀ, U′ and V′ the nearest orthonormal matrices to [U₁ … Uₙ] and [V₁ … Vₙ].

    Where directions of two sources coincide, they share one: the polar factor is taken on the non-zero spectrum.

    Raises:
        InputError: ``rank`` is less than one direction for each source.
    """
    require_rank(len(updates), settings)
    share = settings.rank and settings.rank // len(updates)

    def merged_module(pairs: tuple[LowRank, ...]) -> Truncated:
        spectra = [spectrum(pair, share) for pair in pairs]
        merged = orthogonal_sum(spectra, [settings.scale * weight for weight in weights])
        done = spectrum(merged.to(pairs[0].b.dtype)).truncated()
        return Truncated(
            done.pair,
            sum(float(svd.values.square().sum()) for svd in spectra),
            sum(p.lost for p in spectra),
        )

    return by_module(updates, merged_module)


def orthogonal_sum(spectra: Sequence[Spectrum], weights: Sequence[float]) -> LowRank:
    """Return U′ diag(w₁S₁ … wₙSₙ) V′ᵀ of the decompositions ``spectra``, as for :func:`merge`."""
    values = torch.cat([weight * svd.values for svd, weight in zip(spectra, weights, strict=True)])
    left = orthogonal(torch.cat([svd.u for svd in spectra], dim=1))  # (out, k)
    right = orthogonal(torch.cat([svd.vt.T for svd in spectra], dim=1))  # (in, k)
    return LowRank(left * values, right.T)


def orthogonal(columns: Tensor) -> Tensor:
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
    compose=arithmetic(merge, of_equals=fmean),
    require_number=require_rank,
)
