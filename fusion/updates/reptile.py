"""Reptile's rule over LoRAs that were learned one after another: where the next one begins.

After Nichol et al. 2018 (arXiv:1803.02999, algorithm 1): θ ← θ + ε (φ − θ), φ what training from θ came to. Here a task
of the stream is one outer step, and its own fit, to its best epoch, is the inner loop: no example of an earlier task is
needed, and nothing is learned but the adapters themselves. θ is of the factors of a LoRA, B with its scaling and A.

What differs: the authors draw tasks again and again, with few inner steps and ε falling from 1 to 0. A stream has each
task once, so ε is 1 ÷ t after the t-th, a plain mean, and :data:`STEP` from there on, so that θ never stands still.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.fusion.updates.lowrank import summed_factors
from adapter_workbench.workbench.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from adapter_workbench.fusion.updates.lowrank import Update

STEP = 0.1


def shares(count: int, step: float = STEP) -> tuple[float, ...]:
    """Return the share of each of ``count`` fits in θ, the oldest first; they sum to 1."""
    weights: list[float] = []
    for done in range(1, count + 1):
        epsilon = max(1 / done, step)
        weights = [(1 - epsilon) * share for share in weights] + [epsilon]
    return tuple(weights)


def initialisation(updates: Sequence[Update], step: float = STEP) -> Update:
    """Return θ after LoRAs that were learned in this order.

    Raises:
        InputError: they are on different modules, or of different ranks: their factors have no mean.
    """
    first = updates[0]
    if any(
        {name: pair.rank for name, pair in update.items()} != {n: p.rank for n, p in first.items()}
        for update in updates
    ):
        raise InputError(
            "these LoRAs differ in modules or rank", hint="Reptile averages factors, which need one shape."
        )
    return summed_factors(updates, shares(len(updates), step))
