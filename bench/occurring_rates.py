"""How often each declared test errs on scores as they occur, before and after it checks what it assumes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adapter_workbench.workbench.measures.collapse import LEAST_GAP, collapsed
from adapter_workbench.workbench.measures.declared_tests import (
    checked_stratified_moments,
    paired_moments,
    stratified_moments,
)
from adapter_workbench.workbench.measures.estimate import Moments
from adapter_workbench.workbench.measures.granularity import least_spread
from adapter_workbench.workbench.measures.looks import LEVELS
from adapter_workbench.workbench.measures.near_bounds import equal_near_bounds
from adapter_workbench.workbench.measures.verdicts import LEVEL
from bench import occurring_scores as scores
from bench.error_rates import EFFECT, holm_rows, share, shifted
from bench.simulated_scores import Scores, table
from bench.variance_choices import checked, checked_at_a_look, paired, spreads_checked

Rates = dict[str, Any]
SEEDS = (3, 5, 8)
COLLAPSES = ((20.0, 0.1), (10.0, 0.2))  # points, and with which share of the seeds
FALSE = ("false_of_mean", "false_of_typical", "false_of_both", "false_as_said")


def together(random: np.random.Generator, number: int, seeds: Sequence[int] = SEEDS) -> Iterator[Rates]:
    """Yield what the stratified test does where the tasks of a seed move together."""
    for rows in (2, 12):
        for tasks in (3, 10):
            for correlation in (0.0, 0.1, 0.2, 0.5):
                for count in seeds:
                    drawn = scores.moving_together(random, number, rows, tasks, count, correlation)
                    case = {"rows": rows, "tasks": tasks, "correlation": correlation, "seeds": count}
                    yield {**case, **_stratified(drawn)}


def _stratified(drawn: Scores) -> Rates:
    differences = drawn[:, 1:] - drawn[:, :1]
    return _both(stratified_moments(differences), checked_stratified_moments(differences))


def _both(before: Moments, now: Moments) -> Rates:
    """Return the rates of a test without and with its check: of a comparison, of a family, and what it finds."""
    rates: Rates = {}
    for name, moments in (("before", before), ("now", now)):
        p = moments.differs()
        moved = holm_rows(shifted(moments, EFFECT, slice(0, 1)).differs())[:, 0]
        equal = shifted(moments, EFFECT).equals(EFFECT)
        rates |= {
            f"{name}": share(p),
            f"{name}_family": float((holm_rows(p).min(1) < LEVEL).mean()),
            f"{name}_found": share(moved),
            f"{name}_equal": share(equal),
        }
    return rates


def spreads(random: np.random.Generator, number: int, name: str = "20news-10") -> Iterator[Rates]:
    """Yield what the pooled test does with the spreads of a stored experiment's rows, all normal."""
    deviations = next(of for of in scores.stored() if of.name == name).spreads()
    for seeds in SEEDS:
        drawn = table(random, number, deviations, seeds)
        yield {"of": name, "rows": len(deviations), "seeds": seeds, **_both(spreads_checked(drawn), checked(drawn))}


def near_floor(random: np.random.Generator, number: int, margin: float = 0.05) -> Iterator[Rates]:
    """Yield how often a score that is the margin above another one near 0 is called equal to it."""
    for size in (50, 200):
        for true, spread in ((0.0, 0.0), (0.02, 0.0), (0.0, 0.02)):
            for seeds in SEEDS:
                low = scores.of_answers(random, number, seeds, size, true)
                far = scores.of_answers(random, number, seeds, size, true + margin, spread)
                like = scores.of_answers(random, number, seeds, size, max(true, 0.005))
                before, now = _equal(far, low, margin, size)
                found = _equal(like, low, margin, size)
                case = {"answers": size, "lower": true, "spread": spread, "seeds": seeds}
                yield {**case, "before": before, "now": now, "before_found": found[0], "now_found": found[1]}


def _equal(first: Scores, second: Scores, margin: float, size: int) -> tuple[float, float]:
    """Return how often two are called equal: by the t-test alone, and with the binomial spread."""
    p = paired_moments(first - second, least_spread(1 / size) or 0.0).equals(margin)
    step = 1 / (size * first.shape[-1])
    return share(p), share(np.maximum(p, equal_near_bounds(first.mean(-1), second.mean(-1), margin, step)))


def collapses(random: np.random.Generator, number: int) -> Iterator[Rates]:
    """Yield what verdicts come to where one of two rows loses many points with some seeds, by what they speak of.

    With equal true means, and with a true difference of −3 points, the margin. A verdict is false of the mean, or of
    the typical seed (which does not collapse), or of both. It is read as one of the mean where a seed of the sample
    collapsed, and else as one of the typical seed.
    """
    for by, some in COLLAPSES:
        for difference in (0.0, -EFFECT):
            for seeds in (*SEEDS, 0):
                drawn = scores.collapsing(random, number, seeds or max(SEEDS), by, some)
                drawn[:, 1] += difference
                words, seen = _verdicts(drawn) if seeds else _verdicts_at_looks(drawn)
                case = {"by": by, "share": some, "difference": difference, "seeds": seeds}
                yield {**case, "seen": float(seen.mean()), **_false(words, seen, difference, difference + by * some)}


def _verdicts(drawn: Scores, level: float = LEVEL) -> tuple[NDArray[np.int_], NDArray[np.bool_]]:
    """Return 1 for higher, −1 for lower, 2 for equal within the margin and 0 for undecided, of row 1 − row 0.

    And whether a seed of row 1 is seen to collapse.
    """
    moments = paired(drawn)
    difference, p, equal = moments.difference[:, 0], moments.differs()[:, 0], moments.equals(EFFECT)[:, 0]
    side = np.where(difference > 0, 1, -1)
    words = np.where(p < level, side, np.where(equal < level, 2, 0))
    return words, np.asarray(collapsed(drawn[:, 1], LEAST_GAP * 100).any(-1))


def _verdicts_at_looks(drawn: Scores) -> tuple[NDArray[np.int_], NDArray[np.bool_]]:
    """Return the same of looks after 3, 5 and 8 seeds: the first that decides, and what it saw."""
    words, seen = np.zeros(len(drawn), dtype=int), np.zeros(len(drawn), dtype=bool)
    for seeds, level in LEVELS.items():
        now, seen_now = _verdicts(drawn[..., :seeds], level)
        seen = np.where(words == 0, seen_now, seen)
        words = np.where(words == 0, now, words)
    return words, seen


def _false(words: NDArray[np.int_], seen: NDArray[np.bool_], mean: float, typical: float) -> Rates:
    of_mean, of_typical = (_is_false(words, truth) for truth in (mean, typical))
    as_said = np.where(seen, of_mean, of_typical)
    rates = (of_mean, of_typical, of_mean & of_typical, as_said)
    return {name: float(rate.mean()) for name, rate in zip(FALSE, rates, strict=True)}


def _is_false(words: NDArray[np.int_], truth: float) -> NDArray[np.bool_]:
    wrong_side = ((words == 1) & (truth <= 0)) | ((words == -1) & (truth >= 0))
    return np.asarray(wrong_side | ((words == 2) & (abs(truth) >= EFFECT)))


def false_collapses(random: np.random.Generator, number: int) -> Iterator[Rates]:
    """Yield how often a seed is said to have collapsed in rows whose seeds are all of one kind, by their spread."""
    for spread in (1.0, 2.0, 3.0):
        for seeds in SEEDS:
            said = collapsed(random.normal(0, spread, (number, seeds)), LEAST_GAP * 100).any(-1)
            yield {"spread": spread, "seeds": seeds, "said": float(said.mean())}


def shapes(random: np.random.Generator, number: int) -> Iterator[Rates]:
    """Yield the errors of the paired test on differences that are not normal."""
    for shape in scores.SHAPES:
        for seeds in SEEDS:
            moments = paired_moments(scores.shaped(random, number, seeds, shape), 1 / np.sqrt(12))
            equal = (Moments(moments.difference + by, moments.error, moments.freedom) for by in (-EFFECT, EFFECT))
            false_equal = max(share(of.equals(EFFECT)) for of in equal)
            yield {"shape": shape, "seeds": seeds, "now": share(moments.differs()), "now_equal": false_equal}


def ours(random: np.random.Generator, number: int) -> Iterator[Rates]:
    """Yield the errors of each test on stored results that are drawn again."""
    for experiment in scores.stored():
        rows, tasks = experiment.table.shape[:2]
        case = {"of": experiment.name, "rows": rows, "tasks": tasks}
        for seeds in SEEDS:
            drawn = experiment.drawn(random, number, seeds)
            means = drawn.mean(2)
            own = paired(means)
            yield {**case, "test": "paired", "seeds": seeds, **_both(own, own)}
            if rows > 2:
                yield {**case, "test": "pooled", "seeds": seeds, **_both(spreads_checked(means), checked(means))}
            if experiment.apart and tasks > 1:
                yield {**case, "test": "stratified", "seeds": seeds, **_stratified(drawn)}


def at_looks(random: np.random.Generator, number: int) -> Iterator[Rates]:
    """Yield the errors of looks after 3, 5 and 8 seeds: tasks that move together, and the spreads of 20news-10."""
    level = LEVELS[SEEDS[0]]
    for rows in (2, 12):
        for correlation in (0.0, 0.2, 0.5):
            drawn = scores.moving_together(random, number, rows, 10, max(SEEDS), correlation)
            differences = drawn[:, 1:] - drawn[:, :1]
            seen = [checked_stratified_moments(differences[..., :seeds], level=level) for seeds in SEEDS]
            yield {"test": "stratified", "rows": rows, "correlation": correlation, **_ever(seen)}
    deviations = next(of for of in scores.stored() if of.name == "20news-10").spreads()
    drawn = table(random, number, deviations, max(SEEDS))
    seen = [checked_at_a_look(drawn[..., :seeds]) for seeds in SEEDS]
    yield {"test": "pooled", "rows": len(deviations), "correlation": 0.0, **_ever(seen)}


def _ever(seen: Sequence[Moments]) -> Rates:
    pairs = [*zip(seen, LEVELS.values(), strict=True)]
    different = np.any([moments.differs() < level for moments, level in pairs], axis=0)
    family = np.any([holm_rows(moments.differs()) < level for moments, level in pairs], axis=0)
    equal = np.any([shifted(moments, EFFECT).equals(EFFECT) < level for moments, level in pairs], axis=0)
    return {"now": float(different.mean()), "now_family": float(family.any(1).mean()), "now_equal": float(equal.mean())}
