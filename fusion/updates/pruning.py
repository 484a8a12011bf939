"""Which entries of a weight update stay: by magnitude, at random, by elected sign.

Masks are numbers, 0 or 1, that are multiplied with: on a CPU that takes a tenth of what torch's ``masked_fill`` takes.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from adapter_workbench.fusion.updates.dense import blocks, blockwise
from adapter_workbench.fusion.updates.lowrank import LowRank, Update


def floor(pair: LowRank, density: float) -> float:
    """Return the smallest magnitude among the ``density`` · n largest of ΔW's n entries; at least one entry counts."""
    magnitudes = _magnitudes(pair)
    if not len(magnitudes):
        return 0.0
    position = len(magnitudes) - max(1, round(density * len(magnitudes)))
    magnitudes.partition(position)
    return float(magnitudes[position])


def band(pair: LowRank, lower: float, upper: float) -> tuple[float, float]:
    """Return the smallest and largest magnitude left if the shares below ``lower`` and above ``upper`` are cut."""
    magnitudes = _magnitudes(pair)
    size = len(magnitudes)
    first = min(int(lower * size), size - 1)
    last = max(int(upper * size) - 1, first)
    magnitudes.partition((first, last))
    return float(magnitudes[first]), float(magnitudes[last])


def floor_across(update: Update, density: float) -> float:
    """Return :func:`floor` over all modules of an update together, with one block of ΔW in memory at a time.

    Exact: magnitudes sort as their bit patterns do, so that one pass counts the upper 16 bits, and each later one the
    next 16 bits of the entries that share those above: two passes in float32, four in float64.
    """
    wide = any(pair.b.dtype == torch.float64 for pair in update.values())
    kind, pattern = (torch.float64, torch.int64) if wide else (torch.float32, torch.int32)
    size = sum(pair.shape[0] * pair.shape[1] for pair in update.values())
    if not size:
        return 0.0
    rank = max(1, round(density * size))
    first, above = pattern.itemsize * 8 - 16, 0  # above: the bits that are known
    for shift in range(first, -1, -16):
        counts = torch.zeros(2**16, dtype=torch.int64)
        for pair in update.values():
            b, a = pair.b.to(kind), pair.a.to(kind)
            for block in blocks(pair):
                bits = (b[block] @ a).abs_().flatten().view(pattern) >> shift
                digits = bits if shift == first else bits[(bits >> 16) == above] & 0xFFFF
                counts += torch.bincount(digits, minlength=2**16)
        digit, rank = _descend(counts, rank)
        above = above << 16 | digit
    return float(torch.tensor(above, dtype=pattern).view(kind))


def trim_(delta: Tensor, least: float) -> Tensor:
    """Zero what is smaller than ``least`` in magnitude, in place, and return ``delta``."""
    magnitudes = delta.abs()
    return delta.mul_(torch.ge(magnitudes, least, out=magnitudes))


def trim_tails_(delta: Tensor, least: float, most: float) -> Tensor:
    """Zero what is smaller than ``least`` or larger than ``most`` in magnitude, in place, and return ``delta``."""
    magnitudes = delta.abs()
    trim_(delta, least)
    return delta.mul_(torch.le(magnitudes, most, out=magnitudes))


def drop_(delta: Tensor, rate: float, generator: torch.Generator) -> Tensor:
    """Zero each entry with probability ``rate``, divide the others by 1 − ``rate``, in place, and return ``delta``."""
    chance = torch.rand(delta.shape, generator=generator, dtype=delta.dtype)
    return delta.mul_(torch.ge(chance, rate, out=chance)).mul_(1 / (1 - rate))


def drop_by_rank_(delta: Tensor, rate: float, window: float, generator: torch.Generator) -> Tensor:
    """Prune at random, large entries less often, in place, and return ``delta``: MagPrune (arXiv:2406.11617, § 3.1).

    The entry at place j of n in its row, 0 the largest, is zeroed with probability ``rate`` − ``window`` / 2 +
    ``window`` · j / n; the others are divided by one minus their own probability.
    """
    columns = delta.shape[1]
    order = torch.from_numpy(np.argsort(-delta.abs().numpy(), axis=1))
    steps = torch.arange(columns, dtype=delta.dtype).expand_as(delta)
    rates = torch.empty_like(delta).scatter_(1, order, steps).mul_(window / columns).add_(rate - window / 2)
    chance = torch.rand(delta.shape, generator=generator, dtype=delta.dtype)
    return delta.mul_(torch.ge(chance, rates, out=chance)).div_(1 - rates)


def elect(deltas: Iterable[Tensor]) -> Tensor:
    """Return, entry by entry, the mean of the ``deltas`` that have the sign of their sum: TIES (arXiv:2306.01708, § 3).

    Zeros have no vote and no share; where the sum is zero, so is the result. Positive and negative parts are summed
    apart, so that one delta is in memory at a time.
    """
    remaining = iter(deltas)
    first = next(remaining)
    up, down, votes, balance, scratch = (torch.zeros_like(first) for _ in range(5))
    for delta in itertools.chain([first], remaining):  # all through `scratch`: fresh memory costs more than the sums
        up += torch.clamp(delta, min=0, out=scratch)
        down += torch.clamp(delta, max=0, out=scratch)
        balance += torch.sign(delta, out=scratch)
        votes += scratch.abs_()
    total = torch.add(up, down, out=scratch)
    up /= (votes + balance).div_(2).clamp_(min=1)
    down /= votes.sub_(balance).div_(2).clamp_(min=1)
    return up.mul_(torch.gt(total, 0, out=votes)).addcmul_(down, torch.lt(total, 0, out=balance))


def total(pairs: Sequence[LowRank], weights: Sequence[float]) -> Tensor:
    """Return Σ wᵢ bᵢ aᵢ, (out, in)."""
    return blockwise(pairs, lambda deltas: weighted_total(deltas, weights))


def elected(pairs: Sequence[LowRank], weights: Sequence[float], floors: Sequence[float]) -> Tensor:
    """Return the :func:`election` of all bᵢ aᵢ, each trimmed to its floor, (out, in)."""

    def rule(deltas: Iterator[Tensor]) -> Tensor:
        return election((trim_(delta, least) for delta, least in zip(deltas, floors, strict=True)), weights)

    return blockwise(pairs, rule)


def election(deltas: Iterable[Tensor], weights: Sequence[float]) -> Tensor:
    """Return :func:`elect` of the wᵢ Δᵢ, multiplied in place."""
    return elect(delta.mul_(weight) for delta, weight in zip(deltas, weights, strict=True))


def weighted_total(deltas: Iterable[Tensor], weights: Sequence[float]) -> Tensor:
    """Return Σ wᵢ Δᵢ, summed into the first delta, with one more in memory at a time."""
    remaining = iter(deltas)
    total = next(remaining).mul_(weights[0])
    for delta, weight in zip(remaining, weights[1:], strict=True):
        total.add_(delta, alpha=weight)
    return total


def _magnitudes(pair: LowRank) -> NDArray[Any]:
    """Return |ΔW| as a flat array of its own, filled block by block."""
    rows, columns = pair.shape
    magnitudes = pair.b.new_empty(rows, columns)
    for block in blocks(pair):
        torch.abs(pair.b[block] @ pair.a, out=magnitudes[block])
    return magnitudes.flatten().numpy()


def _descend(counts: Tensor, rank: int) -> tuple[int, int]:
    """Return the bin that holds the ``rank``-th entry from above, and which one of that bin's entries it is."""
    above = counts.flip(0).cumsum(0)
    index = int(torch.searchsorted(above, rank))
    chosen = len(counts) - 1 - index
    return chosen, rank - (int(above[index - 1]) if index else 0)
