"""What is known about a merge before it is made: how alike, how opposed and how entangled the updates are.

Every number stands beside what chance gives: the same statistic with the neurons of every update shuffled (rows and
columns of ΔW, in each module by itself), which keeps the spectra and the distribution of entries and takes away where
they point. A value inside that range says nothing about how the updates are related; one beyond it says that they
share neurons, be it for what the tasks have in common or because the backbone has a few loud ones.

Everything but signs comes from the Gram matrices of the singular vectors, G = UᵀU and H = VᵀV of all sources side by
side (ΔWᵢ = Uᵢ Sᵢ Vᵢᵀ): shuffling the rows and columns of ΔWᵢ shuffles the rows of Uᵢ and Vᵢ, so a shuffled draw costs
two small products and no decomposition. Signs need entries: of a large module at most ``BLOCK`` rows × ``BLOCK``
columns are read, so that the cost stays bounded.
"""

from __future__ import annotations

import functools
import operator
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from adapter_workbench.fusion.updates.lowrank import aligned, spectrum, stack
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.measures.statistics import finite

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.random import Generator
    from numpy.typing import NDArray
    from torch import Tensor

    from adapter_workbench.fusion.updates.lowrank import LowRank, Spectrum, Update

PERMUTATIONS = 200
ERROR = 0.05  # ε of SAR: what of the sum's norm its subspace may miss
Rows = tuple[tuple[float | None, ...], ...]
BLOCK = 512
CHUNK = 25  # draws whose singular vectors are in memory at a time


@dataclass(frozen=True)
class PairStatistic:
    """One statistic of every pair: five n × n matrices with the parts of :class:`Chance`.

    The diagonal, a source with itself, has a value and no chance.
    """

    value: Rows
    mean: Rows
    low: Rows
    high: Rows
    p: Rows


@dataclass(frozen=True)
class SourceFacts:
    """What is known about one update."""

    name: str  # what it was called
    norm: float  # ‖ΔW‖_F over all modules
    modules: int  # how many it adapts
    # exp of the entropy of the singular values' shares (Roy & Vetterli 2007), mean over modules weighted by ‖ΔW‖²_F
    effective_rank: float
    # SAR of arXiv:2502.04959, eq. 5 and 6: ‖Π ΔW‖_F ÷ ‖ΔW‖_F, Π onto the first k left singular vectors of the
    # sources' sum, k the fewest that miss at most 5 % of the sum's norm; norms over all modules. None for an update
    # that is zero
    alignment: float | None


@dataclass(frozen=True)
class Diagnostics:
    """What :func:`diagnose` found; ``pairs`` by statistic.

    ``cosine``
        ⟨ΔWᵢ, ΔWⱼ⟩ ÷ ‖ΔWᵢ‖ ‖ΔWⱼ‖, all modules as one vector; what only one of them adapts counts as zero in the other.
    ``sign_conflict``
        Σ |x y| over entries of opposite sign ÷ Σ |x y| over all entries: a conflict weighs what its entries do. At most
        512 × 512 entries of a module are read.
    ``left_overlap``, ``right_overlap``
        ‖UᵢᵀUⱼ‖²_F ÷ min(rᵢ, rⱼ), of what they write and of what they read; mean over modules, weighted by ‖ΔWᵢ‖ ‖ΔWⱼ‖.
    ``interference``
        STI of arXiv:2412.00081, ‖(UᵀU − I) Σ (VᵀV − I)‖₁ entry by entry, ÷ Σ of all singular values; both summed over
        modules. 0 for orthogonal updates, 1 for an update with itself, beyond 1 for the like of many.
    """

    sources: tuple[SourceFacts, ...]  # one for each update, in order
    pairs: Mapping[str, PairStatistic]  # the statistics above
    interference: Chance  # STI of all sources together, by the same formula; (n − 1)² for n equal ones
    permutations: int  # N behind each chance
    seed: int  # of the permutations

    def as_json(self) -> dict[str, Any]:
        """Return all of it as plain dictionaries, lists and numbers."""
        return {
            "sources": [asdict(source) for source in self.sources],
            "pairs": {name: _as_json(asdict(statistic)) for name, statistic in self.pairs.items()},
            "interference": asdict(self.interference),
            "permutations": self.permutations,
            "seed": self.seed,
        }


def diagnose(
    names: Sequence[str], updates: Sequence[Update], permutations: int = PERMUTATIONS, seed: int = 0
) -> Diagnostics:
    """Return diagnostics about merging ``updates``, computed without data.

    Args:
        names: one for each update.
        updates: at least one, all of one backbone; ranks and modules may differ.
        permutations: how many shuffled draws the chance is estimated from.
        seed: of the draws.

    Raises:
        InputError: no update, or updates of different models.
    """
    if not updates:
        raise InputError("a diagnosis needs at least one update")
    generator = np.random.default_rng(seed)
    modules = [pairs for _, pairs in aligned(updates)]
    if not modules:
        raise InputError("these updates adapt no module")
    sums = functools.reduce(operator.add, (module_sums(pairs, permutations, generator) for pairs in modules))
    pairs = {name: _pairs(values) for name, values in _statistics(sums).items()}
    together = against_chance((sums.together / sums.nuclear.sum()).numpy())
    return Diagnostics(_facts(names, updates, modules), pairs, together, permutations, seed)


@dataclass(frozen=True)
class Chance:
    """A value, and what shuffled neurons give."""

    value: float | None  # as the updates are; None where it is not defined
    mean: float | None  # over the permutations
    low: float | None  # their 2.5 % quantile
    high: float | None  # their 97.5 % quantile
    # two-sided, min(1, 2 (1 + k) ÷ (1 + N)) for the k of N permutations that lie at least as far on the value's side
    # (Phipson & Smyth 2010); not corrected for the number of pairs
    p: float | None


def against_chance(draws: NDArray[np.floating[Any]]) -> Chance:
    """Return the first of ``draws`` (N + 1,) compared with the others, its values under permutations."""
    value, others = float(draws[0]), draws[1:]
    if not np.isfinite(draws).all() or not len(others):
        return Chance(finite(value), None, None, None, None)
    low, high = np.quantile(others, [0.025, 0.975])
    slack = 1e-12 * max(1.0, abs(value))  # equal values differ by rounding
    beyond = min((others >= value - slack).sum(), (others <= value + slack).sum())
    p = min(1.0, 2 * (1 + float(beyond)) / (1 + len(others)))
    return Chance(value, float(others.mean()), float(low), float(high), p)


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


def _statistics(sums: Sums) -> dict[str, Tensor]:
    """Return every pair statistic in every draw: (D + 1, n, n), NaN where it is not defined."""
    nuclear = sums.nuclear[:, None] + sums.nuclear
    return {
        "cosine": sums.inner / torch.outer(sums.energy, sums.energy).sqrt(),
        "sign_conflict": (1 - sums.signed / sums.absolute) / 2,
        "left_overlap": sums.left / sums.weight,
        "right_overlap": sums.right / sums.weight,
        "interference": sums.crossed / nuclear,
    }


def _pairs(values: Tensor) -> PairStatistic:
    """Return the matrices of one statistic, given in every draw (D + 1, n, n)."""
    n = values.shape[1]
    observed = values[0].diagonal().tolist()
    cells = {(i, j): against_chance(values[:, i, j].numpy()) for j in range(n) for i in range(j)}
    cells |= {(j, i): chance for (i, j), chance in cells.items()}
    cells |= {(i, i): Chance(finite(observed[i]), None, None, None, None) for i in range(n)}
    statistics = (field.name for field in fields(Chance))
    return PairStatistic(
        **{
            statistic: tuple(tuple(getattr(cells[i, j], statistic) for j in range(n)) for i in range(n))
            for statistic in statistics
        }
    )


def _facts(
    names: Sequence[str], updates: Sequence[Update], modules: Sequence[tuple[LowRank, ...]]
) -> tuple[SourceFacts, ...]:
    energy, inside, ranks = (np.zeros(len(updates)) for _ in range(3))
    for pairs in modules:
        total = spectrum(stack(pairs, [1.0] * len(pairs)))
        tail = total.values.square().flip(0).cumsum(0).flip(0)  # ‖Σ ΔW − its first k‖²_F at k
        leading = total.u[:, : int((tail > ERROR**2 * tail[:1]).sum())]  # (out, k)
        for source, pair in enumerate(pairs):
            source_spectrum = spectrum(pair)
            own_energy = float(source_spectrum.values.square().sum())
            share = source_spectrum.values / source_spectrum.values.sum()
            energy[source] += own_energy
            inside[source] += float((leading.T @ (source_spectrum.u * source_spectrum.values)).square().sum())
            ranks[source] += own_energy * float(torch.special.entr(share).sum().exp())
    return tuple(
        SourceFacts(
            name,
            float(np.sqrt(energy[source])),
            len(update),
            float(ranks[source] / energy[source]) if energy[source] else 0.0,
            float(np.sqrt(inside[source] / energy[source])) if energy[source] else None,
        )
        for source, (name, update) in enumerate(zip(names, updates, strict=True))
    )


def _as_json(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _as_json(matrix) for name, matrix in value.items()}
    return [list(row) for row in value]


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
