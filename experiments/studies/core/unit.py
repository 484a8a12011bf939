"""Over what the numbers of an entry vary: the unit that one result is of."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection


class Unit(NamedTuple):
    """Where one result of an entry belongs; a study names what it has, and leaves out the rest.

    Attributes:
        task: that was learned, or composed for.
        shots: how many labelled examples there were of it.
        seed: of all random choices.
    """

    task: str = ""
    shots: int = 0
    seed: int = 0


def of_whole_seeds(units: Collection[Unit], problems: int) -> list[Unit]:
    """Return the units of seeds that have all ``problems``: tasks, or targets with each K.

    A mean over some of them is another quantity than one over all, and so is what their test examples tell.
    """
    known = Counter(unit.seed for unit in units)
    return [unit for unit in units if known[unit.seed] == problems]
