"""How alike two groups of tasks are: average linkage over the LoRAs that their tasks were learned with.

Sokal and Michener 1958: the mean similarity over all pairs of a member of one and a member of the other. The cosine of
two merged LoRAs is no such mean. What n LoRAs have in common stays when they are averaged, and the rest shrinks by √n,
so that the cosine of a new LoRA with their mean grows with √n: the largest group wins, whatever the tasks are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from statistics import fmean
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapter_workbench.fusion.updates.lowrank import Update

Cosines = Mapping[str, Mapping[str, float]]  # a task → each that was learned before it → cosine of their LoRAs


def completed(known: Cosines, tasks: Sequence[str], read: Callable[[str], Update]) -> Cosines:
    """Return the cosines of every two tasks; what is known is not computed again.

    Args:
        known: of the stages before; states of earlier versions have none.
        tasks: in the order in which they were learned.
        read: returns the LoRA that a task was learned with.
    """
    cosines = {}
    for index, task in enumerate(tasks):
        row = dict(known.get(task, {}))
        missing = [earlier for earlier in tasks[:index] if earlier not in row]
        if missing:
            update = read(task)
            row.update({earlier: cosine(update, read(earlier)) for earlier in missing})
        cosines[task] = row
    return cosines


def linkage(first: Sequence[str], second: Sequence[str], cosines: Cosines) -> float:
    """Return the mean cosine over pairs of a task of ``first`` and one of ``second``."""
    return fmean(_of(cosines, *pair) for pair in product(first, second))


def cosine(first: Update, second: Update) -> float:
    """Return ⟨ΔW₁, ΔW₂⟩ ÷ ‖ΔW₁‖ ‖ΔW₂‖, all modules as one vector; 0 where one of the two changes nothing."""
    shared = _inner(first, second)
    sizes = _inner(first, first) * _inner(second, second)
    return shared / sizes**0.5 if sizes > 0 else 0.0


def _inner(first: Update, second: Update) -> float:
    from adapter_workbench.fusion.updates.lowrank import (
        inner,  # torch comes with it, and what a merge is called is asked before
    )

    return sum(inner(pair, second[name]) for name, pair in first.items() if name in second)


def _of(cosines: Cosines, first: str, second: str) -> float:
    return cosines[first][second] if second in cosines[first] else cosines[second][first]
