"""How many seeds would tell a difference apart: said beside what the seeds that were run could not tell."""

from __future__ import annotations

from statistics import stdev
from typing import TYPE_CHECKING

from experiments.reporting.wording import number
from workbench.statistics import seeds_for

if TYPE_CHECKING:
    from collections.abc import Mapping

    from experiments.reporting.differences import Difference

POINTS = 0.02  # a difference that somebody would act on


def power(differences: Mapping[str, Difference], what: str, points: float = POINTS) -> str:
    """Return how many seeds each difference of a family would need, from the easiest to the hardest; or nothing.

    Args:
        differences: label → the difference from the reference, of two seeds or more.
        what: the metric, in words.
        points: the difference to find, as a share.
    """
    needed = {label: seeds_needed(one, points) for label, one in differences.items() if one.p is not None}
    known = {label: seeds for label, seeds in needed.items() if seeds}
    if not known:
        return ""
    first, last = min(known, key=lambda label: known[label]), max(known, key=lambda label: known[label])
    span = f"{known[first]} ({first})"
    if known[last] > known[first]:
        span += f" to {known[last]} ({last})"
    more = len(needed) - len(known)
    many = f"; {more} of them need more than 1,000" if more else ""
    return (
        f"To find a difference of {number(points)} points in {what} with a power of 0.8, {span} seeds are "
        f"needed{many}, going by the spread of the differences so far."
    )


def seeds_needed(difference: Difference, points: float) -> int | None:
    """Return how many seeds find a true difference of ``points``; None where a thousand are not enough."""
    values = [value for value in difference.seeds.values if value is not None]
    return seeds_for(points, stdev(values), difference.family)
