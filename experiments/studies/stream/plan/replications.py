"""The replications of a stream: each seed with each order, or with the order that it draws."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def replications(seeds: Sequence[int], orders: int, order_per_seed: bool) -> tuple[tuple[int, int], ...]:
    """Return every (seed, index of its order): all orders of the first seed first.

    Args:
        seeds: of the recipe.
        orders: how many there are.
        order_per_seed: whether the i-th seed learns the i-th order and no other.
    """
    if order_per_seed:
        return tuple((seed, order) for order, seed in enumerate(seeds))
    return tuple((seed, order) for seed in seeds for order in range(orders))
