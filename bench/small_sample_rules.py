"""Rules of small packages that compare a model before and after training on a few prompts of each category.

Read in pyrecall 0.12.1 (`detector.py`: a category whose score fell by more than 0.10, of at most 20 prompts) and Soup
0.77.0 (`ship_verdict.py`: a part that fell by more than 0.05, of 38 prompts in the mean). Both bounds are absolute.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

ROUNDING = 1e-9


@dataclass(frozen=True)
class Rule:
    """An alarm where any category falls by more than a bound.

    Attributes:
        rows: of each category.
        bound: the most that a score in [0, 1] may fall.
        relative: whether the bound is a share of the score before.
    """

    rows: int
    bound: float
    relative: bool = False

    def alarms(self, scores: Iterable[tuple[float, float]]) -> bool:
        """Return whether any category fell too far; its score before and after."""
        return any(
            before - after > self.bound * (before if self.relative else 1.0) + ROUNDING for before, after in scores
        )


RULES = {
    "20 rows, 0.10": Rule(20, 0.10),
    "20 rows, 10 %": Rule(20, 0.10, relative=True),
    "38 rows, 0.05": Rule(38, 0.05),
}
