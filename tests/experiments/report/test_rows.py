"""The one difference of two rows: which replications count, over which test examples, and in what steps; by hand."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from adapter_workbench.experiments.studies.core.rows import At, Row, difference
from adapter_workbench.workbench.measures.granularity import least_spread

Score = float | None


def row(label: str, results: dict[At, Score], tasks: tuple[str, ...] = ("a", "b")) -> Row[Score]:
    return Row(label, None, ((0, 0), (1, 0), (2, 0)), tasks, results)


def on_both(*scores: tuple[Score, Score]) -> dict[At, Score]:
    """Return the scores on tasks a and b, one pair a seed."""
    return {At(seed, task=task): own for seed, pair in enumerate(scores) for task, own in zip("ab", pair, strict=True)}


def itself(score: Score) -> Score:
    return score


def two_examples(score: Score, problem: str) -> pd.Series:
    """Return two test examples whose mean is the score."""
    assert score is not None
    return pd.Series([score - 0.1, score + 0.1], index=[f"{problem}-0", f"{problem}-1"])


def test_a_replication_counts_where_both_have_all_tasks() -> None:
    """Seed 1 lacks the number of one task, seed 2 a result: what is left is seed 0, (0.2 + 0.1) ÷ 2."""
    ours = row("ours", on_both((0.7, 0.6), (0.9, None), (0.9, 0.9)))
    theirs = row(
        "theirs",
        {at: score for at, score in on_both((0.5, 0.5), (0.5, 0.5), (0.5, 0.5)).items() if at[:3:2] != (2, "b")},
    )
    measured = difference(ours, theirs, itself, two_examples)
    assert measured.seeds.values == (pytest.approx(0.15), None, None)
    assert measured.examples is not None
    assert measured.examples.mean == pytest.approx(0.15)


def test_nothing_in_common_is_no_difference() -> None:
    measured = difference(row("ours", on_both((0.7, 0.6))), row("theirs", {}), itself, two_examples)
    assert measured.seeds.values == (None, None, None)
    assert measured.examples is None
    assert measured.p is None


def test_tasks_that_are_fitted_apart_have_gaps_of_their_own() -> None:
    ours, theirs = row("ours", on_both((0.7, 0.6), (0.8, 0.5))), row("theirs", on_both((0.5, 0.5), (0.5, 0.5)))
    measured = difference(ours, theirs, itself, two_examples, apart=True)
    assert [[round(gap, 3) for gap in own if gap is not None] for own in measured.tasks] == [[0.2, 0.3], [0.1, 0.0]]
    assert measured.task_floors == (least_spread(1 / 2), least_spread(1 / 2))
    assert measured.floor == least_spread(1 / 4), "two tasks of two examples each"
    assert not difference(ours, theirs, itself, two_examples).tasks


@pytest.mark.parametrize(
    ("more", "step"),
    [
        ({"sizes": lambda score: [10]}, 1 / 20),  # of each task's result
        ({"sizes": lambda score: [10, 40]}, 1 / 160),  # two scores behind each
        ({"sizes": lambda score: [0]}, None),
        ({"examples": two_examples}, 1 / 4),
        ({"examples": two_examples, "problems": {"both": ("a", "b")}}, 1 / 2),
        ({"examples": lambda score, problem: None}, None),
        ({}, None),
    ],
)
def test_the_step_is_that_of_the_test_examples(more: dict[str, Any], step: float | None) -> None:
    ours, theirs = row("ours", on_both((0.7, 0.6), (0.8, 0.5))), row("theirs", on_both((0.5, 0.5), (0.5, 0.5)))
    measured = difference(ours, theirs, itself, **more)
    assert measured.floor == least_spread(step)


def test_each_result_is_asked_for_the_test_examples_of_its_own_problems() -> None:
    asked = set()

    def examples(score: Score, problem: str) -> pd.Series:
        asked.add((score, problem))
        return two_examples(score, problem)

    ours, theirs = row("ours", on_both((0.7, 0.6))), row("theirs", on_both((0.5, 0.4)))
    difference(ours, theirs, itself, examples)
    assert asked == {(0.7, "a"), (0.5, "a"), (0.6, "b"), (0.4, "b")}
    asked.clear()
    difference(ours, theirs, itself, examples, problems={"first": ("a",)})
    assert asked == {(0.7, "first"), (0.5, "first")}


def test_a_result_of_all_tasks_has_examples_of_each() -> None:
    """A router answers the texts of both tasks: 0.2 apart over seeds, and over two problems of two texts."""
    ours, theirs = row("ours", {At(0): 0.7, At(1): 0.7}, ("",)), row("theirs", {At(0): 0.5, At(1): 0.5}, ("",))
    measured = difference(ours, theirs, itself, two_examples, problems={"a": ("",), "b": ("",)})
    assert measured.seeds.values == (pytest.approx(0.2), pytest.approx(0.2), None)
    assert measured.floor == least_spread(1 / 4)


def test_one_more_seed_takes_what_the_parts_of_both_took() -> None:
    ours, theirs = row("ours", on_both((0.7, 0.6))), row("theirs", on_both((0.5, 0.5)))
    measured = difference(ours, theirs, itself, seconds=lambda score: [1.0, 2.0])
    assert measured.seconds == 12.0, "two rows of two results of two parts"
