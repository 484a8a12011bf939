"""Which seeds are added to those of a recipe, and which one chooses learning rates: neither is one of the others."""

from __future__ import annotations

from itertools import count, islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

FIRST_TUNING_SEED = 100


def tuning_seed(compared: Iterable[int]) -> int:
    """Return the seed of all that is tried to choose a learning rate: the first from 100 that is not ``compared``."""
    taken = {*compared}
    return next(seed for seed in count(FIRST_TUNING_SEED) if seed not in taken)


def further_seeds(seeds: Sequence[int], many: int) -> tuple[int, ...]:
    """Return so ``many`` seeds that come after all of ``seeds``; none where ``many`` is not positive.

    Without :func:`tuning_seed`: another one would take its place, and all that was tuned with it would be done again.
    """
    reserved = tuning_seed(seeds)
    following = (seed for seed in count(max(seeds) + 1) if seed != reserved)
    return tuple(islice(following, max(many, 0)))
