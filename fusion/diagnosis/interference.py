"""How much the updates of one module interfere, as they are and with shuffled neurons.

Everything but signs comes from the Gram matrices of the singular vectors, G = UᵀU and H = VᵀV of all sources side by
side (ΔWᵢ = Uᵢ Sᵢ Vᵢᵀ): shuffling the rows and columns of ΔWᵢ shuffles the rows of Uᵢ and Vᵢ, so a shuffled draw costs
two small products and no decomposition. Signs need entries: of a large module at most ``BLOCK`` rows × ``BLOCK``
columns are read, so that the cost stays bounded.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np
import torch

from adapter_workbench.fusion.updates.lowrank import spectrum

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.random import Generator
    from torch import Tensor

    from adapter_workbench.fusion.updates.lowrank import LowRank, Spectrum

BLOCK = 512
CHUNK = 25  # draws whose singular vectors are in memory at a time


@dataclass(frozen=True)
class Sums:
    """What is added up over modules; D draws, the first with every neuron in its place, of n sources."""

    inner: Tensor  # ⟨ΔWᵢ, ΔWⱼ⟩, (D, n, n)
    left: Tensor  # weight × ‖UᵢᵀUⱼ‖²_F ÷ min(rᵢ, rⱼ), (D, n, n)
    right: Tensor  # weight × ‖VᵢᵀVⱼ‖²_F ÷ min(rᵢ, rⱼ), (D, n, n)
    crossed: Tensor  # ‖UᵢᵀUⱼ Sⱼ VⱼᵀVᵢ‖₁ + ‖UⱼᵀUᵢ Sᵢ VᵢᵀVⱼ‖₁, entry by entry: STI of the two, (D, n, n)
    together: Tensor  # ‖(G − I) S (H − I)‖₁, entry by entry: STI of all sources, (D,)
    signed: Tensor  # Σ x y over the entries read, (D, n, n)
    absolute: Tensor  # Σ |x y| over the entries read, (D, n, n)
    weight: Tensor  # ‖ΔWᵢ‖_F ‖ΔWⱼ‖_F, (n, n)
    energy: Tensor  # ‖ΔWᵢ‖²_F, (n,)
    nuclear: Tensor  # Σ Sᵢ, (n,)

    def __add__(self, other: Sums) -> Sums:
        """Return the sums over both."""
        return Sums(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(self)))


def module_sums(pairs: Sequence[LowRank], draws: int, generator: Generator) -> Sums:
    """Return the sums of one module; in each of ``draws`` draws after the first, all sources are shuffled apart."""
    spectra = [spectrum(pair) for pair in pairs]
    rows, columns = (_orders(len(pairs), size, draws, generator) for size in pairs[0].shape)  # (n, D + 1, size)
    parts = [
        _grams(spectra, rows[:, start : start + CHUNK], columns[:, start : start + CHUNK])
        for start in range(0, draws + 1, CHUNK)
    ]
    left, right = (torch.cat(side) for side in zip(*parts, strict=True))  # (D + 1, k, k)
    values = torch.cat([svd.values for svd in spectra])  # (k,)
    counts = torch.tensor([len(svd.values) for svd in spectra])  # (n,)
    owner = torch.repeat_interleave(torch.eye(len(spectra), dtype=values.dtype), counts, dim=0)  # (k, n)
    energy, ranks = owner.T @ values.square(), counts.double()
    weight = torch.outer(energy, energy).sqrt()
    share = weight / torch.minimum(ranks[:, None], ranks).clamp(min=1)
    signed, absolute = _signs(spectra, rows, columns, generator)
    identity, scaled = torch.eye(len(values), dtype=values.dtype), values * right
    return Sums(
        inner=owner.T @ (left * values[:, None] * scaled) @ owner,
        left=share * (owner.T @ left.square() @ owner),
        right=share * (owner.T @ right.square() @ owner),
        crossed=_pair_interference(left, right, values, counts.tolist()),
        together=((left - identity) @ (values[:, None] * (right - identity))).abs().sum(dim=(1, 2)),
        signed=signed,
        absolute=absolute,
        weight=weight,
        energy=energy,
        nuclear=owner.T @ values,
    )


def _orders(sources: int, size: int, draws: int, generator: Generator) -> Tensor:
    """Return an order of ``size`` neurons for each source and draw, the first as they are: (n, D + 1, size)."""
    orders = np.tile(np.arange(size), (sources, draws + 1, 1))
    orders[:, 1:] = generator.permuted(orders[:, 1:], axis=-1)
    return torch.from_numpy(orders)


def _grams(spectra: Sequence[Spectrum], rows: Tensor, columns: Tensor) -> tuple[Tensor, Tensor]:
    """Return UᵀU and VᵀV of all sources side by side in each draw: twice (draws, k, k)."""
    u = torch.cat([svd.u[order] for svd, order in zip(spectra, rows, strict=True)], dim=-1)  # (draws, out, k)
    v = torch.cat([svd.vt.T[order] for svd, order in zip(spectra, columns, strict=True)], dim=-1)  # (draws, in, k)
    return u.mT @ u, v.mT @ v


def _pair_interference(left: Tensor, right: Tensor, values: Tensor, counts: list[int]) -> Tensor:
    """Return STI of every pair: only the blocks UᵢᵀUⱼ and VᵢᵀVⱼ differ from the identity's."""
    sums = left.new_zeros(len(left), len(counts), len(counts))
    starts = np.cumsum([0, *counts])
    blocks = [slice(start, start + count) for start, count in zip(starts[:-1], counts, strict=True)]
    for i, rows in enumerate(blocks):
        for j, columns in enumerate(blocks):
            passed = (left[:, rows, columns] * values[columns]) @ right[
                :, columns, rows
            ]  # (D, ri, ri): ΔWⱼ as source i sees it
            total = passed.abs().sum(dim=(1, 2))
            sums[:, i, j] += total
            sums[:, j, i] += total
    return sums


def _signs(spectra: Sequence[Spectrum], rows: Tensor, columns: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
    """Return Σ xy and Σ |xy| over the entries of a block, scaled up to the module: twice (D, n, n)."""
    n, draws, out = rows.shape
    inside = columns.shape[2]
    widest = max(1, *(len(svd.values) for svd in spectra))
    b, a = torch.zeros(n, out, widest), torch.zeros(n, widest, inside)  # float32: signs of entries need no more
    for source, svd in enumerate(spectra):
        b[source, :, : len(svd.values)] = (svd.u * svd.values).float()
        a[source, : len(svd.values)] = svd.vt.float()
    picked = [torch.from_numpy(generator.permutation(size)[:BLOCK]) for size in (out, inside)]
    scale = out * inside / (len(picked[0]) * len(picked[1]))
    each_source = torch.arange(n)[:, None]
    signed, absolute = torch.empty(draws, n, n), torch.empty(draws, n, n)
    for draw in range(draws):
        left = b[each_source, rows[:, draw, picked[0]]]  # (n, block, r)
        right = a.mT[each_source, columns[:, draw, picked[1]]]  # (n, block, r)
        entries = (left @ right.mT).flatten(1)  # (n, block²)
        signed[draw] = entries @ entries.T
        entries.abs_()
        absolute[draw] = entries @ entries.T
    return scale * signed.double(), scale * absolute.double()
