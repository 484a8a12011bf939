"""How many seeds decide what is undecided, and how many find a difference that is given."""

from __future__ import annotations

import math
from dataclasses import replace
from statistics import fmean, stdev
from typing import TYPE_CHECKING

from adapter_workbench.experiments.reporting.added_seeds import further_seeds
from adapter_workbench.experiments.reporting.differences import UNDECIDED
from adapter_workbench.experiments.reporting.families import hypothesis
from adapter_workbench.experiments.reporting.replications import seed_means
from adapter_workbench.experiments.reporting.to_decide import ToDecide, to_decide_in_words
from adapter_workbench.experiments.reporting.wording import number, plural
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.measures.looks import LOOKS, POWER, seeds_to_decide
from adapter_workbench.workbench.measures.statistics import MOST_SEEDS, seeds_for

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from adapter_workbench.experiments.reporting.differences import Difference

MOST = 200  # seeds that a run is planned with
NAMED = 4  # undecided comparisons that a paragraph lists
ADDED_LATER = (
    "and then test old and new ones together, chance passes for a difference in 6 to 12 % of cases instead of 5 %."
)
CONTINUED = (
    f"`workbench run RECIPE --until-decided` adds seeds only where they are needed, up to {LOOKS[-1]}, or up to N with "
    f"`--most-seeds N`. If you add seeds in another way {ADDED_LATER}"
)
ALL_LOOKS_TAKEN = (
    "All planned looks were taken, so `--until-decided` adds no seeds. With `--most-seeds N` it plans other looks, and "
    "reads all of them at other levels: that is one reading more, and the type I error can be above 0.05."
)
SEEDS_OF_STREAM = (
    "Repairs have the seeds of their stream: add seeds to its recipe, and repair again. If you add them after a look "
    f"at the result {ADDED_LATER}"
)


def timed(difference: Difference, *sides: Iterable[tuple[int, float | None]]) -> Difference:
    """Return a difference with what one more seed of its sides takes.

    Args:
        difference: of two entries.
        sides: of each entry (seed, seconds) of its parts; nothing is known where one of them has none.
    """
    by_side = [_a_seed(side) for side in sides]
    known = [seconds for seconds in by_side if seconds is not None]
    return replace(difference, seconds=math.fsum(known)) if len(known) == len(by_side) else difference


def _a_seed(parts: Iterable[tuple[int, float | None]]) -> float | None:
    """Return the mean over seeds of the sum of a seed's parts."""
    by_seed: dict[int, float] = {}
    for seed, seconds in parts:
        by_seed[seed] = by_seed.get(seed, 0.0) + (seconds or 0.0)
    return fmean(by_seed.values()) if by_seed else None


def with_needs(family: Mapping[str, Difference]) -> dict[str, Difference]:
    """Return a family that a recipe declares, where what is undecided says what would decide it."""
    undecided = {label: difference for label, difference in family.items() if difference.reading == UNDECIDED}
    hypotheses = len({hypothesis(difference) for difference in undecided.values()})
    needs = {label: _needed(difference, hypotheses) for label, difference in undecided.items()}
    return {label: replace(difference, to_decide=needs.get(label)) for label, difference in family.items()}


def _needed(difference: Difference, hypotheses: int) -> ToDecide | None:
    """Return what decides a difference in a family with so many ``hypotheses``; None where nothing tells."""
    estimate, seeds = difference.estimate, difference.tested_seeds
    if estimate is None or estimate.p is None:
        return None
    needed = seeds_to_decide(estimate, seeds, hypotheses, difference.margin)
    if needed is None or difference.seconds is None:
        return ToDecide(needed)
    return ToDecide(needed, round((needed - seeds) * difference.seconds / 3600, 4))


def needs_in_words(
    declared: Mapping[str, Difference], what: str, continued: str = CONTINUED, looks: Sequence[int] = ()
) -> str:
    """Return what would decide the comparisons of a family that are undecided; nothing where none is.

    Args:
        declared: label → the difference from the reference, one family.
        what: their metric, in words.
        continued: how seeds are added.
        looks: of the record; after the last one no seeds are added.
    """
    undecided = {label: of for label, of in declared.items() if of.reading in (UNDECIDED, "no interval")}
    if not undecided:
        return ""
    needs = {label: (of.to_decide, of.tested_seeds) for label, of in undecided.items()}
    if not any(needed for needed, _ in needs.values()):
        return to_decide_in_words(None, max(seeds for _, seeds in needs.values()), f"this in {what}")
    known = [(label, needed, seeds) for label, (needed, seeds) in needs.items() if needed]
    easiest = sorted(known, key=lambda row: math.inf if row[1].seeds is None else row[1].seeds)
    parts = [f"{label} with {needed.further(seeds)}" for label, needed, seeds in easiest[:NAMED]]
    if rest := len(undecided) - len(parts):
        parts.append(f"{plural(rest, 'other')} with more, or it cannot be told")
    is_last = bool(looks) and all(of.look == looks[-1] for of in undecided.values())
    return (
        f"Undecided in {what}, and decided with a probability of {POWER}, going by what was measured so far: "
        f"{'; '.join(parts)}. {ALL_LOOKS_TAKEN if is_last else continued}"
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
    return (*seeds, *further_seeds(seeds, needed - len(seeds)))


def seeds_needed(difference: Difference, points: float) -> int | None:
    """Return how many seeds find a true difference of ``points``; None where :data:`MOST_SEEDS` are not enough.

    With several orders of the tasks, each seed is learned in all of them, and its value is their mean.
    """
    values = difference.seeds.values
    by_seed = [value for value in seed_means(values, difference.of_seeds or range(len(values))) if value is not None]
    estimate = difference.estimate
    fixed = estimate.fixed if estimate else 0.0
    if estimate is None or estimate.test == "paired":
        spread = max(stdev(by_seed), difference.floor or 0.0)  # as the test takes it
        return seeds_for(points, spread, difference.family, fixed=fixed)
    deviation = math.sqrt(max(estimate.error**2 - fixed, 0.0) * len(by_seed))
    rows = estimate.freedom / (len(by_seed) - 1)
    return seeds_for(points, deviation, difference.family, rows=rows, fixed=fixed)
