"""How many seeds a difference would need, beside differences that the seeds so far could not distinguish."""

from __future__ import annotations

import math
from statistics import stdev
from typing import TYPE_CHECKING

from experiments.reporting.replications import seed_means
from experiments.reporting.wording import number
from workbench.errors import InputError
from workbench.measures.statistics import MOST_SEEDS, seeds_for

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from experiments.reporting.differences import Difference

POINTS = 0.02  # a difference that somebody would act on
MOST = 200  # seeds that a run is planned with


def power(differences: Mapping[str, Difference], what: str, points: float = POINTS) -> str:
    """Return how many seeds each difference of a family would need, from the easiest to the hardest; or nothing.

    Args:
        differences: label → the difference from the reference, of two seeds or more.
        what: the metric, in words.
        points: the difference to find, as a share.
    """
    needed = {
        label: seeds_needed(difference, points) for label, difference in differences.items() if difference.p is not None
    }
    enough = {label: seeds for label, seeds in needed.items() if seeds}
    lost = sum(seeds is None for seeds in needed.values())
    if not enough:
        return ""
    first, last = min(enough, key=lambda label: enough[label]), max(enough, key=lambda label: enough[label])
    span = f"{enough[first]} ({first})"
    if enough[last] > enough[first]:
        span += f" to {enough[last]} ({last})"
    seeds = "seed is" if enough[last] == 1 else "seeds are"
    many = f"; {lost} of them need more than {MOST_SEEDS:,}" if lost else ""
    return (
        f"To find a difference of {number(points)} points in {what} with a power of 0.8, {span} {seeds} "
        f"needed{many}, going by the spread of the differences so far."
    )


def enough_seeds(seeds: Sequence[int], differences: Mapping[str, Difference], points: float) -> tuple[int, ...]:
    """Return ``seeds`` and further ones, as many as find ``points`` in the first difference that a recipe declares.

    Args:
        seeds: what was run so far; the spread over two or more tells how many are needed.
        differences: label → the difference from the reference, in the recipe's order.
        points: the difference to find, as a share.

    Raises:
        InputError: there is no spread to go by, or more than :data:`MOST` seeds are needed.
    """
    where = "--seeds-for"
    tested = [(label, difference) for label, difference in differences.items() if difference.p is not None]
    if not tested:
        message = "no difference was measured with two seeds or more, so the number of seeds cannot be computed"
        raise InputError(message, where=where, hint="Run the recipe with two or three seeds first.")
    label, difference = tested[0]
    needed = seeds_needed(difference, points)
    if needed is None or needed > MOST:
        many = f"more than {MOST_SEEDS:,}" if needed is None else f"{needed}"
        gap = f"{number(points)} points between {label} and the reference"
        message = f"{gap} need {many} seeds, and {MOST} are the most"
        raise InputError(message, where=where, hint="Ask for a larger difference.")
    following = max(seeds) + 1
    return (*seeds, *range(following, following + needed - len(seeds)))


def seeds_needed(difference: Difference, points: float) -> int | None:
    """Return how many seeds find a true difference of ``points``; None where :data:`MOST_SEEDS` are not enough.

    With several orders of the tasks, each seed is learned in all of them, and its value is their mean.
    """
    values = difference.seeds.values
    by_seed = [value for value in seed_means(values, difference.of_seeds or range(len(values))) if value is not None]
    estimate = difference.estimate
    if estimate is None or estimate.test == "paired":
        return seeds_for(points, stdev(by_seed), difference.family)
    deviation, rows = estimate.error * math.sqrt(len(by_seed)), estimate.freedom / (len(by_seed) - 1)
    return seeds_for(points, deviation, difference.family, rows=rows)
