"""Families of differences: what a recipe compares with its reference in one metric, tested and adjusted together."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from adapter_workbench.experiments.reporting.declared_test import BySeed, DeclaredTest, estimates
from adapter_workbench.experiments.reporting.replications import seed_means
from adapter_workbench.workbench.measures.granularity import step_of
from adapter_workbench.workbench.measures.near_bounds import equal_near_bounds
from adapter_workbench.workbench.measures.seeds_and_examples import over_seeds_and_examples
from adapter_workbench.workbench.measures.statistics import ROUNDING
from adapter_workbench.workbench.measures.verdicts import LEVEL, adjusted, p_of_equality

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from adapter_workbench.experiments.reporting.differences import Difference
    from adapter_workbench.workbench.measures.estimate import Estimate

PAIRED = DeclaredTest()
DIGITS = 12  # in which two differences are equal: sums in another order differ in the last bits
DIGITS_OF_FREEDOM = 6  # a ratio of variances: a last bit of scores that are close together is many of its own


def in_family(
    differences: Mapping[str, Difference],
    declared: DeclaredTest = PAIRED,
    against: Mapping[str, str] | None = None,
) -> dict[str, Difference]:
    """Return the differences, by label, as the declared test sees them, with p adjusted for all of them, after Holm.

    A family is declared before there is a result: every row against the reference of a recipe, in one metric. Rows with
    the same differences are one hypothesis, tested once: two that forget exactly 0 differ from the reference by just
    what the reference forgot. So are a row and its mirror, first − second and second − first.

    Where outcomes by test example are known, their variance is part of the estimate, so that p, the p of equality, the
    interval and the reading all come from one test.

    Args:
        differences: by label.
        declared: the test, and the margin.
        against: label → what its difference is taken from, where that is not the same for all: only rows that are
            compared with the same one share a variance.
    """
    estimated: dict[str, Estimate | None] = {}
    groups = _groups(differences, against or {})
    for own in groups:
        estimated |= estimates({label: by_seed(differences[label]) for label in own}, declared.test, declared.level)
    seen = {label: _seen(difference, estimated[label]) for label, difference in differences.items()}
    values = {label: hypothesis(difference) for label, difference in seen.items()}
    differs = adjusted({label: (values[label], difference.p) for label, difference in seen.items()})
    margin = declared.margin
    equal = adjusted({label: (values[label], _p_of_equality(of, margin)) for label, of in seen.items()})
    alone_in_group = {own[0] for own in groups if len(own) == 1}
    size = len({values[label] for label, difference in seen.items() if difference.p is not None})
    return {
        label: replace(
            difference,
            adjusted=differs[label],
            family=max(size, 1),
            declared=declared.test,
            only_row=label in alone_in_group,
            margin=margin,
            level=declared.level,
            p_equal=equal[label],
        )
        for label, difference in seen.items()
    }


def _p_of_equality(difference: Difference, margin: float | None) -> float | None:
    """Return the p of |difference| ≥ ``margin``: near 0 and 1 the larger one of the test and of the binomial spread.

    Test examples that a variance is known of are the same for all seeds; else each seed counts as having its own.
    """
    p, floor = p_of_equality(difference.estimate, margin), difference.floor
    if p is None or margin is None or margin >= 1 or difference.sides is None or not floor:
        return p
    drawn = 1 if difference.example_variance else difference.tested_seeds
    return max(p, float(equal_near_bounds(*difference.sides, margin, step_of(floor) / drawn)))


def hypothesis(difference: Difference) -> tuple[float | None, ...]:
    """Return what two differences share if they are one test: their values up to rounding, whichever is first.

    With them the variance over test examples, where it is known: equal scores may be of other examples. And the
    standard error with its degrees of freedom, where there is an estimate: equal means may be of other tasks' scores.
    """
    values = [None if value is None else round(value, DIGITS) + 0.0 for value in difference.seeds.values]
    turned = next((value < 0 for value in values if value), False)
    of_examples = difference.example_variance
    added = () if of_examples is None else (round(float(of_examples.examples), DIGITS),)
    return *(-value + 0.0 if turned and value is not None else value for value in values), *added, *_spread(difference)


def _spread(difference: Difference) -> tuple[float, ...]:
    """Return the standard error and its degrees of freedom, which have no sign; nothing where nothing tells them."""
    estimate = difference.estimate
    if estimate is None or estimate.error <= ROUNDING:
        return ()
    return round(estimate.error, DIGITS), round(estimate.freedom, DIGITS_OF_FREEDOM)


def _groups(labels: Iterable[str], against: Mapping[str, str]) -> list[list[str]]:
    """Return the labels, those together that are compared with the same entry."""
    groups: dict[str, list[str]] = {}
    for label in labels:
        groups.setdefault(against.get(label, ""), []).append(label)
    return [*groups.values()]


def alone(difference: Difference, margin: float | None, level: float = LEVEL) -> Difference:
    """Return a difference that is in no family, tested paired, with the margin within which it is called equal.

    Args:
        difference: with its values.
        margin: as a share; None: it is not called equal.
        level: at which it is read; that of its look where there are looks.
    """
    return replace(in_family({"": difference}, DeclaredTest(margin=margin, level=level))[""], adjusted=None)


def _seen(difference: Difference, estimate: Estimate | None) -> Difference:
    """Return a difference with its estimate, to which the variance of the test examples is added where it is known.

    The estimate's p and interval take the place of those of the paired test over seeds.
    """
    examples, shares = difference.example_variance, None
    over_seeds = estimate
    if estimate is None or (estimate.test == "paired" and examples is None):
        return replace(difference, estimate=estimate)
    if examples is not None:
        estimate, shares = over_seeds_and_examples(estimate, examples)
    interval = replace(estimate.interval(), values=difference.seeds.values)
    return replace(difference, seeds=interval, p=estimate.p, estimate=estimate, over_seeds=over_seeds, shares=shares)


def by_seed(difference: Difference) -> BySeed:
    """Return one value a seed of a difference: the mean over the orders of the tasks."""
    values = difference.seeds.values
    seeds = difference.of_seeds or tuple(range(len(values)))
    return BySeed(
        [*dict.fromkeys(seeds)], seed_means(values, seeds), difference.floor, difference.tasks, difference.task_floors
    )
