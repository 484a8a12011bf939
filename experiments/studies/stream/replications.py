"""Replications of a stream: each seed with each order."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from experiments.studies.stream.record import Record


def replications(record: Record) -> list[tuple[int, int]]:
    """Return every (seed, order) of the recipe: all orders of the first seed first."""
    return [(seed, order) for seed in record.seeds for order in range(len(record.orders))]
