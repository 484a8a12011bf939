"""Over what the numbers of an entry vary: the unit that one result is of."""

from __future__ import annotations

from typing import NamedTuple


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
