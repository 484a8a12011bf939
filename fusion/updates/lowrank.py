"""Exact algebra on low-rank weight updates: sums, truncation, norms and inner products without ever building ΔW.

A sum of low-rank updates is low-rank: ``Σ wᵢ bᵢ aᵢ = [w₁b₁ … wₙbₙ] [a₁; …; aₙ]``. Its singular value decomposition is
that of a small core, k × k for k = Σ rᵢ, at the cost of O((out + in) k²) instead of O(out · in²) (Core Space,
arXiv:2509.17786; Compress-then-Merge, arXiv:2606.03723). Everything between the factors is done in float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from adapter_workbench.workbench.errors import InputError


@dataclass(frozen=True)
class LowRank:
    """One module's weight update ΔW = b a, every scaling already inside ``b``.

    Attributes:
        b: (out, rank).
        a: (rank, in).
    """

    b: Tensor
    a: Tensor

    @property
    def rank(self) -> int:
        """Columns of b; the rank of ΔW is at most that."""
        return self.b.shape[1]

    @property
    def shape(self) -> tuple[int, int]:
        """The shape of ΔW: (out, in)."""
        return self.b.shape[0], self.a.shape[1]

    def to(self, dtype: torch.dtype) -> LowRank:
        """Return the same update in another precision."""
        return LowRank(self.b.to(dtype), self.a.to(dtype))


Update = Mapping[str, LowRank]  # name of a module in the backbone → its update; a module that is not named has none


@dataclass(frozen=True)
class Merged:
    """What a merge gives.

    Attributes:
        update: the result.
        facts: ``rank`` (the largest of all modules), ``energy_kept`` (‖kept‖²_F ÷ ‖whole‖²_F over all modules) and
            ``truncation_error`` (‖whole − kept‖_F ÷ ‖whole‖_F).
    """

    update: Update
    facts: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Truncated:
    """One module's result.

    Attributes:
        pair: what was kept.
        kept: ‖kept‖²_F.
        lost: ‖whole − kept‖²_F.
    """

    pair: LowRank
    kept: float
    lost: float


@dataclass(frozen=True)
class Spectrum:
    """The leading part of the singular value decomposition b a = U S Vᵀ; U and V are combinations of b and of a.

    All in float64, S descending, without numerically zero values; p values are left.

    Attributes:
        b: (out, k).
        a: (k, in).
        values: S, (p,).
        left: (k, p), so that U S = b @ left.
        right: (p, k), so that S Vᵀ = right @ a.
        lost: sum of the squares of the singular values that were left out.
        dtype: of the factors that it came from, and of those that it gives.
    """

    b: Tensor
    a: Tensor
    values: Tensor
    left: Tensor
    right: Tensor
    lost: float
    dtype: torch.dtype

    @property
    def u(self) -> Tensor:
        """(out, p), orthonormal columns."""
        u: Tensor = self.b @ (self.left / self.values)
        return u

    @property
    def vt(self) -> Tensor:
        """(p, in), orthonormal rows."""
        vt: Tensor = (self.right / self.values[:, None]) @ self.a
        return vt

    def pair(self) -> LowRank:
        """Return U S Vᵀ with √S on each side, of rank at least 1 (possibly zero), so that the module stays adapted."""
        if not len(self.values):
            b, a = self.b.new_zeros(len(self.b), 1), self.a.new_zeros(1, self.a.shape[1])
        else:
            root = self.values.sqrt()
            b = self.b @ (self.left / root)  # (out, p)
            a = (self.right / root[:, None]) @ self.a  # (p, in)
        return LowRank(b, a).to(self.dtype)

    def truncated(self) -> Truncated:
        """Return :meth:`pair` with its energies."""
        return Truncated(self.pair(), float(self.values.square().sum()), self.lost)

    def reshaped(self, rule: Callable[[Spectrum], LowRank]) -> Truncated:
        """Return what ``rule`` makes of it, with its energies before; without any value, :meth:`truncated`."""
        if not len(self.values):
            return self.truncated()
        return Truncated(rule(self).to(self.dtype), float(self.values.square().sum()), self.lost)


def spectrum(pair: LowRank, rank: int | None = None, right: Tensor | None = None) -> Spectrum:
    """Return the ``rank`` largest singular values of b a with their vectors: the best approximation (Eckart–Young).

    With RᵀR = a aᵀ, the squares of the singular values are the eigenvalues of R bᵀb Rᵀ. In float64 that resolves values
    down to 1e-8 of the largest; what is below 8 ε times the largest ‖b_j‖ ‖a_j‖ is rounding of the factors themselves
    and counts as zero (ε is that of their precision, and at least 1.5e-8).

    Args:
        pair: the factors.
        rank: how many values to keep at most; all if None.
        right: R, (q, k), where the rows of a are not those of ``pair`` but have this triangle.
    """
    b, a = pair.b.double(), pair.a.double()
    right = triangle(a.T) if right is None else right  # (q, k)
    gram = b.T @ b  # (k, k)
    half = right @ gram  # (q, k)
    squares, vectors = torch.linalg.eigh(half @ right.T)  # ascending (q,), (q, q)
    values = squares.flip(0).clamp(min=0).sqrt()
    dtype = torch.promote_types(pair.b.dtype, pair.a.dtype)
    summands = (gram.diagonal() * right.square().sum(0)).sqrt()  # (k,)
    floor = 8 * max(torch.finfo(dtype).eps, 2**-26) * torch.cat([summands, values]).max() if len(values) else 0.0
    count = int((values > floor).sum())
    leading, vectors = values[:count][:rank], vectors.flip(1)[:, :count][:, :rank]
    lost = float(values[len(leading) : count].square().sum())
    return Spectrum(b, a, leading, right.T @ vectors, (vectors.T @ half) / leading[:, None], lost, dtype)


def triangle(columns: Tensor) -> Tensor:
    """Return R with RᵀR = ``columns``ᵀ ``columns``: (n, k) → (≤ n, k).

    Cholesky on the Gram matrix is fast but squares the condition number; where a pivot is small beside its own column,
    columns are nearly dependent, and Householder reflections take over.
    """
    gram = columns.T @ columns
    root, failed = torch.linalg.cholesky_ex(gram, upper=True)
    if failed or not bool((root.diagonal() > 1e-3 * gram.diagonal().sqrt()).all()):
        root = torch.linalg.qr(columns, mode="r").R
    result: Tensor = root
    return result


def stack(pairs: Sequence[LowRank], weights: Sequence[float]) -> LowRank:
    """Return Σ wᵢ bᵢ aᵢ exactly, of rank Σ rᵢ."""
    b = torch.cat([pair.b for pair in scaled(pairs, weights)], dim=1)
    return LowRank(b, torch.cat([pair.a for pair in pairs]))


def scaled(pairs: Sequence[LowRank], weights: Sequence[float]) -> list[LowRank]:
    """Return wᵢ bᵢ aᵢ, each weight in its b."""
    return [times(weight, pair) for pair, weight in zip(pairs, weights, strict=True)]


def times(weight: float, pair: LowRank) -> LowRank:
    """Return w b a, the weight in its b."""
    return LowRank(weight * pair.b, pair.a)


def aligned(updates: Sequence[Update]) -> Iterator[tuple[str, tuple[LowRank, ...]]]:
    """Yield each module that any of ``updates`` adapts, by name, with one pair each; of rank 0 where one does not.

    Raises:
        InputError: a module has different shapes in two updates.
    """
    for name in sorted({name for update in updates for name in update}):
        present = [update[name] for update in updates if name in update]
        if len({pair.shape for pair in present}) > 1:
            shapes = " and ".join(sorted({"×".join(map(str, pair.shape)) for pair in present}))
            hint = "Compose adapters of one backbone."
            raise InputError(f"{name} is {shapes}: these adapters belong to different models", hint=hint)
        (rows, columns), like = present[0].shape, present[0].b
        absent = LowRank(like.new_zeros(rows, 0), like.new_zeros(0, columns))
        yield name, tuple(update.get(name, absent) for update in updates)


def by_module(updates: Sequence[Update], merge: Callable[[tuple[LowRank, ...]], Truncated]) -> Merged:
    """Return what ``merge`` makes of each module's pairs, and the facts over all modules."""
    return collect((name, merge(pairs)) for name, pairs in aligned(updates))


def collect(modules: Iterable[tuple[str, Truncated]]) -> Merged:
    """Return the modules' results as one, with the facts over all of them."""
    update: dict[str, LowRank] = {}
    kept = lost = 0.0
    for name, module in modules:
        update[name] = module.pair
        kept, lost = kept + module.kept, lost + module.lost
    total_energy = kept + lost
    facts = {
        "rank": float(largest_rank([update])),
        "energy_kept": kept / total_energy if total_energy else 1.0,
        "truncation_error": math.sqrt(lost / total_energy) if total_energy else 0.0,
    }
    return Merged(update, facts)


def weighted_sum(updates: Sequence[Update], weights: Sequence[float], rank: int | None = None) -> Merged:
    """Return Σ wᵢ ΔWᵢ at its numerical rank, or its best approximation of at most ``rank``.

    A module that an update does not adapt counts as zero there. One module at a time is in memory beside the result.

    Raises:
        InputError: the updates do not fit one model.
    """
    return by_module(updates, lambda pairs: spectrum(stack(pairs, weights), rank).truncated())


def summed_factors(updates: Sequence[Update], weights: Iterable[float]) -> dict[str, LowRank]:
    """Return module → Σ wᵢ bᵢ (out, r) and Σ wᵢ aᵢ (r, in), for updates of the same modules and ranks.

    This is no sum of updates: products bᵢ aⱼ of different ones come in.
    """
    shares = [float(weight) for weight in weights]
    return {
        name: LowRank(
            sum((w * update[name].b for update, w in zip(updates, shares, strict=True)), pair.b * 0),
            sum((w * update[name].a for update, w in zip(updates, shares, strict=True)), pair.a * 0),
        )
        for name, pair in updates[0].items()
    }


def largest_rank(updates: Sequence[Update]) -> int:
    """Return the largest rank of any module in any of ``updates``; 1 if there is none."""
    return max((pair.rank for update in updates for pair in update.values()), default=1)


def inner(first: LowRank, second: LowRank) -> float:
    """Return ⟨ΔW₁, ΔW₂⟩ = tr((b₁ᵀb₂)(a₂a₁ᵀ)) in O((out + in) r₁ r₂)."""
    left = first.b.double().T @ second.b.double()  # (r1, r2)
    right = first.a.double() @ second.a.double().T  # (r1, r2)
    return float((left * right).sum())


def norm(pair: LowRank) -> float:
    """Return ‖ΔW‖_F."""
    return math.sqrt(max(inner(pair, pair), 0.0))
