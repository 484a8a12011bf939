"""Merges that cut entries of each update and put together what is left: one is a way to cut and a way to combine.

=========== ========================================= ==================== ========
merge       what stays of an update                   the rest is rescaled combined
=========== ========================================= ==================== ========
magnitude   the largest entries of a module           no                   sum
breadcrumbs entries between two quantiles of a module no                   sum
dare        entries at random                         by 1 / (1 − p)       sum
dare-ties   entries at random                         by 1 / (1 − p)       election
della       entries at random, large ones more often  by their own chance  election
ties        the largest entries, of all or a module   no                   election
magmax      all                                       no                   largest
=========== ========================================= ==================== ========
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Protocol

import torch
from torch import Generator, Tensor

from adapter_workbench.fusion.updates.dense import Rule, densely
from adapter_workbench.fusion.updates.lowrank import LowRank, Merged, Update
from adapter_workbench.fusion.updates.pruning import band, drop_, drop_by_rank_, floor, trim_, trim_tails_

Cut = Callable[[Tensor], Tensor]  # some rows of one source's ΔW, changed in place
Prune = Callable[[Any, Sequence[Update], Generator], Callable[[tuple[LowRank, ...]], Sequence[Cut]]]
Combine = Callable[[Iterable[Tensor], Sequence[float]], Tensor]  # what is left of each source, and its weight


class Merge(Protocol):
    """What merges updates with some settings."""

    def __call__(self, updates: Sequence[Update], weights: Sequence[float], settings: Any, seed: int) -> Merged: ...


def sparsified(prune: Prune, combine: Combine) -> Merge:
    """Return the merge λ · combine(wᵢ prune(ΔWᵢ)), dense and cut to a rank; ``scale`` and ``rank`` are its settings'.

    Args:
        prune: settings, all updates and the source of chance → the pairs of a module → the cut of each source.
        combine: how what is left becomes one matrix.
    """

    def merge(updates: Sequence[Update], weights: Sequence[float], settings: Any, seed: int) -> Merged:
        shares = [settings.scale * weight for weight in weights]
        cuts_of = prune(settings, updates, torch.Generator().manual_seed(seed))

        def prepare(pairs: tuple[LowRank, ...]) -> Rule:
            cuts = cuts_of(pairs)
            return lambda deltas: combine((cut(delta) for cut, delta in zip(cuts, deltas, strict=True)), shares)

        return densely(updates, settings.rank, seed, prepare)

    return merge


def everything(settings: Any, updates: Sequence[Update], generator: Generator) -> Any:
    """Cut nothing."""
    return lambda pairs: [lambda delta: delta] * len(pairs)


def largest_of_a_module(settings: Any, updates: Sequence[Update], generator: Generator) -> Any:
    """Keep the share ``density`` of largest entries in each module."""
    return lambda pairs: [partial(trim_, least=floor(pair, settings.density)) for pair in pairs]


def between_quantiles(settings: Any, updates: Sequence[Update], generator: Generator) -> Any:
    """Keep the magnitudes of each module between the shares ``lower`` and ``upper``."""

    def cuts(pairs: tuple[LowRank, ...]) -> list[Cut]:
        bands = (band(pair, settings.lower, settings.upper) for pair in pairs)
        return [partial(trim_tails_, least=least, most=most) for least, most in bands]

    return cuts


def at_random(settings: Any, updates: Sequence[Update], generator: Generator) -> Any:
    """Drop entries with probability ``drop``, and rescale the others; drawn by module, block of rows, source."""
    return lambda pairs: [partial(drop_, rate=settings.drop, generator=generator)] * len(pairs)


def at_random_by_rank(settings: Any, updates: Sequence[Update], generator: Generator) -> Any:
    """Drop small entries more often: ``drop`` ± ``window`` / 2 (:func:`.drop_by_rank_`); drawn as :func:`at_random`."""
    cut = partial(drop_by_rank_, rate=settings.drop, window=settings.window, generator=generator)
    return lambda pairs: [cut] * len(pairs)


def largest(deltas: Iterable[Tensor], weights: Sequence[float]) -> Tensor:
    """Return, entry by entry, the wᵢ Δᵢ of the largest magnitude; of equal ones, the first."""
    first, *others = (weight * delta for weight, delta in zip(weights, deltas, strict=True))
    for other in others:
        first = torch.where(other.abs() > first.abs(), other, first)
    return first
