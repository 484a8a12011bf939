"""Intervals over replications: each seed with each order of the tasks."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from workbench.measures.statistics import interval

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from workbench.measures.statistics import Interval

Values = tuple[float | None, ...]


def over_replications(values: Iterable[float | None], seeds: Sequence[int]) -> Interval:
    """Return mean, 95 % t interval and all ``values``, one a replication; ``seeds`` are the replications' seeds.

    See :func:`independent` for what counts as a value of its own.
    """
    given = tuple(values)
    return replace(interval(independent(given, seeds)), values=interval(given).values)


def independent(values: Values, seeds: Sequence[int]) -> Values:
    """Return one value a seed where the order changes nothing, else all that are there.

    A strategy with a model for each task gives the same numbers in every order. To count those repetitions as
    replications would make an interval narrow, or would give one seed an interval, without another training.
    """
    return tuple(values[position] for position in counted(values, seeds))


def counted(values: Values, seeds: Sequence[int]) -> tuple[int, ...]:
    """Return where the :func:`independent` values stand; a missing value is none of them."""
    by_seed: dict[int, dict[int, float]] = {}  # seed → position → value
    for position, (value, seed) in enumerate(zip(values, seeds, strict=True)):
        if value is not None and math.isfinite(value):
            by_seed.setdefault(seed, {})[position] = value
    repeated = all(max(own.values()) - min(own.values()) <= 1e-12 for own in by_seed.values())
    return tuple(sorted(position for own in by_seed.values() for position in ([*own][:1] if repeated else own)))
