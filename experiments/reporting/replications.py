"""Intervals over replications: each seed with each order of the tasks."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from workbench.statistics import interval

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from workbench.statistics import Interval

Values = tuple[float | None, ...]


def over_replications(values: Iterable[float | None], seeds: Sequence[int]) -> Interval:
    """Return mean, 95 % t interval and all ``values``, one a replication; ``seeds`` are the replications' seeds.

    See :func:`independent` for what counts as a value of its own.
    """
    given = tuple(values)
    return replace(interval(independent(given, seeds)), values=interval(given).values)


def independent(values: Values, seeds: Sequence[int]) -> Values:
    """Return one value a seed where the order changes nothing, else all of them.

    A strategy with a model for each task gives the same numbers in every order. To count those repetitions as
    replications would make an interval narrow, or would give one seed an interval, without another training.
    """
    by_seed: dict[int, list[float]] = {}
    for value, seed in zip(values, seeds, strict=True):
        if value is not None and math.isfinite(value):
            by_seed.setdefault(seed, []).append(value)
    repeated = all(max(own) - min(own) <= 1e-12 for own in by_seed.values())
    return tuple(own[0] for own in by_seed.values()) if repeated else values
