"""How often each declared test errs, and how often it finds what is there: rates over tables with known truth."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adapter_workbench.workbench.measures.declared_tests import (
    checked_stratified_moments,
    paired_moments,
    stratified_moments,
)
from adapter_workbench.workbench.measures.estimate import Moments
from adapter_workbench.workbench.measures.granularity import least_spread, score_step
from adapter_workbench.workbench.measures.seeds_and_examples import example_variance, summed_moments
from adapter_workbench.workbench.measures.verdicts import LEVEL
from bench import simulated_scores as scores
from bench.simulated_scores import Scores
from bench.variance_choices import CHOICES, checked, paired

EFFECT = 3.0  # points: the difference that is to be found, and the margin of equality
Draw = Callable[[np.random.Generator, int, int, int], Moments]


def paired_drawn(random: np.random.Generator, number: int, rows: int, seeds: int) -> Moments:
    """Return what the paired test sees of so many tables without any true difference."""
    return paired(scores.table(random, number, np.ones(rows), seeds))


def pooled_drawn(random: np.random.Generator, number: int, rows: int, seeds: int) -> Moments:
    """Return what the pooled test sees of so many tables without any true difference."""
    return checked(scores.table(random, number, np.ones(rows), seeds))


def stratified_drawn(random: np.random.Generator, number: int, rows: int, seeds: int) -> Moments:
    """Return what the stratified test sees of so many tables of ten tasks with equal spreads."""
    drawn = scores.tasks_apart(random, number, rows, seeds, np.ones(scores.TASKS))
    return checked_stratified_moments(drawn[:, 1:] - drawn[:, :1])


def paired_over_both(random: np.random.Generator, number: int, rows: int, seeds: int) -> Moments:
    """Return what the paired test with the summed variance of seeds and examples sees."""
    return over_both(scores.outcomes(random, number, rows, seeds), paired)


def pooled_over_both(random: np.random.Generator, number: int, rows: int, seeds: int) -> Moments:
    """Return what the pooled test with the summed variance of seeds and examples sees."""
    return over_both(scores.outcomes(random, number, rows, seeds), checked)


def stratified_over_both(random: np.random.Generator, number: int, rows: int, seeds: int) -> Moments:
    """Return what the stratified test with the summed variance of seeds and examples sees."""
    outcomes = scores.outcomes_apart(random, number, rows, seeds)
    differences = outcomes[:, 1:] - outcomes[:, :1]  # (N, R − 1, T, S, n)
    by_task = [differences[:, :, task] for task in range(scores.FEW_TASKS)]
    return summed_moments(checked_stratified_moments(differences.mean(-1)), example_variance(by_task))


def over_both(outcomes: Scores, over_seeds: Callable[[Scores], Moments]) -> Moments:
    """Return moments over seeds with the variance of the examples added; outcomes (N, R, S, n)."""
    return summed_moments(over_seeds(outcomes.mean(-1)), example_variance([outcomes[:, 1:] - outcomes[:, :1]]))


TESTS: dict[str, tuple[Draw, int]] = {  # with how many numbers a cell of rows × seeds has
    "paired": (paired_drawn, 1),
    "pooled": (pooled_drawn, 1),
    "stratified": (stratified_drawn, scores.TASKS),
    "paired, seeds and examples": (paired_over_both, scores.EXAMPLES),
    "pooled, seeds and examples": (pooled_over_both, scores.EXAMPLES),
    "stratified, seeds and examples": (stratified_over_both, scores.FEW_TASKS * scores.FEW_EXAMPLES),
}


def drawn(test: str, random: np.random.Generator, number: int, rows: int, seeds: int) -> Moments:
    """Return what a declared test sees, (number, R − 1), drawn in chunks that fit in memory."""
    draw, cells = TESTS[test]
    return joined(draw(random, size, rows, seeds) for size in scores.chunks(number, cells * rows * seeds))


def joined(parts: Iterator[Moments]) -> Moments:
    """Return moments of chunks as one."""
    broadcast = [np.broadcast_arrays(*part) for part in parts]
    return Moments(*(np.concatenate(part) for part in zip(*broadcast, strict=True)))


def shifted(moments: Moments, by: float, rows: slice = slice(None)) -> Moments:
    """Return the moments where the true difference of these rows is ``by``: no test's error depends on it."""
    difference = moments.difference.copy()
    difference[:, rows] += by
    return Moments(difference, moments.error, moments.freedom)


def holm_rows(chances: Scores) -> Scores:
    """Return p values (N, m) adjusted after Holm (1979) within each row of the array."""
    order, number = np.argsort(chances, axis=1), chances.shape[1]
    ranked = np.take_along_axis(chances, order, 1) * (number - np.arange(number))
    adjusted = np.empty_like(chances)
    np.put_along_axis(adjusted, order, np.minimum(np.maximum.accumulate(ranked, axis=1), 1.0), 1)
    return adjusted


def rates(moments: Moments, effect: float = EFFECT) -> dict[str, float]:
    """Return shares of false and of right verdicts, of a test that saw tables without any true difference.

    Returns:
        type_1: of comparisons called different, each at 5 %.
        family: of families with any such call, after Holm.
        power: of tables in which the one row that differs by ``effect`` is found, after Holm.
        power_all: of comparisons found where all rows differ by ``effect``, after Holm.
        equal_type_1: of comparisons called equal although they differ by just the margin, ``effect``, each at 5 %.
        equal_power: of comparisons called equal within the margin where none differs, after Holm.
    """
    moved_row, every = shifted(moments, effect, slice(0, 1)), shifted(moments, effect)
    return {
        "type_1": share(moments.differs()),
        "family": float((holm_rows(moments.differs()).min(1) < LEVEL).mean()),
        "power": share(holm_rows(moved_row.differs())[:, 0]),
        "power_all": share(holm_rows(every.differs())),
        "equal_type_1": share(every.equals(effect)),
        "equal_power": share(holm_rows(moments.equals(effect))),
    }


def share(chances: Scores) -> float:
    """Return the share of p values below the level."""
    return float((chances < LEVEL).mean())


def declared(random: np.random.Generator, number: int) -> Iterator[dict[str, Any]]:
    """Yield the rates of each declared test with 3, 5 and 8 seeds and 2 and 12 rows."""
    for test in TESTS:
        for rows in (2, 12):
            for seeds in (3, 5, 8):
                moments = drawn(test, random, number, rows, seeds)
                yield {"test": test, "rows": rows, "seeds": seeds, **rates(moments)}


def unequal_spreads(random: np.random.Generator, number: int, rows: int = 12) -> Iterator[dict[str, Any]]:
    """Yield for each way to pool what it does where the rows' spreads are equal and where they are not."""
    for name in scores.SPREADS:
        for seeds in (3, 5, 8):
            spreads = scores.spreads_of(random, name, number, rows)
            table = scores.table(random, number, spreads, seeds)
            for choice, moments_of in CHOICES.items():
                moments = moments_of(table)
                p = moments.differs()
                yield {
                    "spreads": name,
                    "choice": choice,
                    "seeds": seeds,
                    "type_1": share(p),
                    "worst_row": float((p < LEVEL).mean(0).max()),
                    "family": float((holm_rows(p).min(1) < LEVEL).mean()),
                    "power": share(holm_rows(shifted(moments, EFFECT, slice(0, 1)).differs())[:, 0]),
                }


def unequal_tasks(random: np.random.Generator, number: int) -> Iterator[dict[str, Any]]:
    """Yield the stratified test's type I error where the spreads of the tasks differ, and with T(S − 1) degrees."""
    scenes = {"equal": np.ones(10), "0.3 to 2": np.linspace(0.3, 2, 10), "one 5, the others 1": np.r_[5.0, np.ones(9)]}
    for name, spreads in scenes.items():
        for seeds in (3, 5, 8):
            drawn_scores = scores.tasks_apart(random, number, 2, seeds, spreads)
            differences = drawn_scores[:, 1:] - drawn_scores[:, :1]
            moments, unchecked = checked_stratified_moments(differences), stratified_moments(differences)
            whole = Moments(unchecked.difference, unchecked.error, np.asarray(float(len(spreads) * (seeds - 1))))
            yield {
                "spreads": name,
                "seeds": seeds,
                "type_1": share(moments.differs()),
                "with_all_degrees": share(whole.differs()),
                "unchecked": share(unchecked.differs()),
            }


def orders(random: np.random.Generator, number: int) -> Iterator[dict[str, Any]]:
    """Yield the type I error of nine fits as three seeds × three orders, and as nine seeds with a new order each."""
    for effect in (0.0, 0.5, 1.0, 2.0):
        grid = scores.crossed(random, number, 3, 3, effect)
        apart = scores.crossed(random, number, 9, 1, 0.0)[..., 0]
        apart = apart + random.normal(0, effect, apart.shape)
        yield {
            "order_effect": effect,
            "crossed_as_independent": share(paired_moments(grid.reshape(number, 9)).differs()),
            "mean_of_orders": share(paired_moments(grid.mean(-1)).differs()),
            "new_order_a_seed": share(paired_moments(apart).differs()),
        }


def both_agree(random: np.random.Generator, number: int) -> Iterator[dict[str, Any]]:
    """Yield the type I error of one summed variance, of the test over seeds alone, and of two tests that must agree."""
    for seeds in (2, 3, 5, 8, 16):
        sizes = scores.chunks(number, 2 * scores.EXAMPLES * seeds)
        parts = [_both(scores.outcomes(random, size, 2, seeds, 1.0)) for size in sizes]
        over_seeds, over_examples, summed = (np.concatenate(part) for part in zip(*parts, strict=True))
        yield {
            "seeds": seeds,
            "over_seeds": share(over_seeds),
            "over_examples": share(over_examples),
            "both": share(np.maximum(over_seeds, over_examples)),
            "summed": share(summed),
        }


def _both(outcomes: Scores) -> tuple[Scores, Scores, Scores]:
    """Return p (N,) over seeds, over examples, and over both by one variance."""
    over_seeds, examples = paired(outcomes.mean(-1)), example_variance([outcomes[:, 1:] - outcomes[:, :1]])
    alone = Moments(over_seeds.difference, np.sqrt(examples.examples), examples.examples_freedom)
    summed = summed_moments(over_seeds, examples)
    return over_seeds.differs()[:, 0], alone.differs()[:, 0], summed.differs()[:, 0]


def texts_shared(random: np.random.Generator, number: int) -> Iterator[dict[str, Any]]:
    """Yield the type I error where tasks test the same texts: by examples as if all were others, and by texts."""
    for texts in (20, 40, 80):
        for seeds in (3, 5, 8):
            sizes = scores.chunks(number, (texts + 10 * scores.EXAMPLES) * seeds)
            parts = [_by_texts(*scores.texts_shared(random, size, seeds, texts)) for size in sizes]
            by_example, by_text = (np.concatenate(part) for part in zip(*parts, strict=True))
            yield {"texts": texts, "seeds": seeds, "by_example": share(by_example), "by_text": share(by_text)}


def _by_texts(tasks: list[Scores], texts: list[NDArray[np.int64]]) -> tuple[Scores, Scores]:
    """Return p (N,) of the summed variance, without and with the texts."""
    over_seeds = paired_moments(np.mean([task.mean(-1) for task in tasks], axis=0))
    without, clustered = (summed_moments(over_seeds, example_variance(tasks, known)) for known in ([], texts))
    return without.differs(), clustered.differs()


def equal_differences(random: np.random.Generator, number: int, size: int = 200) -> Iterator[dict[str, Any]]:
    """Yield how often differences over seeds are equal and not 0, and the type I error without and with a floor."""
    for uncertain in (2, 4, 16, 64):
        for seeds in (2, 3, 5):
            differences = scores.counted(random, number, seeds, uncertain, size)
            equal = (np.ptp(differences, axis=1) < 1e-12) & (np.abs(differences[:, 0]) > 1e-12)
            without = paired_moments(differences).differs()
            floored = paired_moments(differences, least_spread(score_step([size])) or 0.0).differs()
            yield {
                "uncertain": uncertain,
                "seeds": seeds,
                "equal": float(equal.mean()),
                "without_floor": float(((without < LEVEL) | equal).mean()),
                "with_floor": share(floored),
            }
