"""Three verdicts, families in which identical tests count once, and looks after 3, 5 and 8 seeds."""

from __future__ import annotations

import math

import numpy as np
import pytest

from adapter_workbench.workbench.measures.declared_tests import paired
from adapter_workbench.workbench.measures.estimate import Estimate
from adapter_workbench.workbench.measures.looks import (
    LEVELS,
    LOOKS,
    chance_by_look,
    chance_to_decide,
    levels,
    looks_up_to,
    seeds_to_decide,
)
from adapter_workbench.workbench.measures.statistics import holm
from adapter_workbench.workbench.measures.verdicts import adjusted, verdicts


@pytest.mark.parametrize(
    ("difference", "margin", "word", "within"),
    [
        (0.05, 0.02, "higher", False),
        (-0.05, 0.02, "lower", False),
        (0.002, 0.02, "equal", True),
        (0.002, None, "undecided", False),
        (0.012, 0.02, "undecided", False),
        (0.018, 0.03, "higher", True),  # both is said: higher, and by less than the margin
    ],
)
def test_a_difference_has_one_of_three_verdicts(difference: float, margin: float, word: str, within: bool) -> None:
    verdict = verdicts({"row": Estimate(difference, 0.006, 10)}, margin)["row"]
    assert (verdict.word, verdict.within) == (word, within)
    assert verdict.is_decided == (word != "undecided")


def test_without_a_test_nothing_is_decided() -> None:
    readings = verdicts({"one seed": None, "equal": paired([0.01, 0.01]), "row": Estimate(0.05, 0.006, 10)}, 0.02)
    assert [readings[label].word for label in ("one seed", "equal", "row")] == ["undecided", "undecided", "higher"]
    assert readings["row"].family == 1, "tests that could not be made do not count"


def test_identical_tests_count_once() -> None:
    row, other = Estimate(0.05, 0.016, 4, values=(0.04, 0.06)), Estimate(0.02, 0.016, 4, values=(0.0, 0.04))
    thrice = verdicts({"a": row, "b": row, "c": row, "d": other}, 0.02)
    once = verdicts({"a": row, "d": other}, 0.02)
    assert thrice["c"] == once["a"]
    assert thrice["d"] == once["d"]
    assert once["a"].family == 2
    assert row.p is not None
    assert once["a"].p == pytest.approx(2 * row.p)
    assert adjusted({"a": (1, 0.01), "b": (2, 0.03), "c": (3, 0.02)}) == dict(
        zip("abc", holm([0.01, 0.03, 0.02]), strict=True)
    ), "else it is Holm's rule"


def test_looks_share_five_percent() -> None:
    assert levels(LOOKS) == LEVELS
    assert levels((4, 6)) == {4: 0.025, 6: 0.025}
    assert [looks_up_to(most) for most in (2, 3, 4, 8, 12)] == [(2,), (3,), (3, 4), (3, 5, 8), (3, 5, 8, 12)]
    for wrong in ((), (1, 3), (3, 3)):
        with pytest.raises(ValueError, match="rising"):
            levels(wrong)
    with pytest.raises(ValueError, match="two seeds"):
        looks_up_to(1)


@pytest.mark.parametrize("difference", [0.0, 1.0, 2.5])
def test_the_forecast_is_how_often_more_seeds_decide(difference: float) -> None:
    now, then, level, margin, deviation = 5, 8, 0.04, 2.0, 1.5
    estimate = Estimate(difference, deviation / math.sqrt(now), 1e6)
    random = np.random.default_rng(3)
    truth = random.normal(difference, estimate.error, 200_000)
    mean = (now * difference + (then - now) * random.normal(truth, deviation / math.sqrt(then - now))) / then
    error = deviation / math.sqrt(then)
    differs, within = np.abs(mean) > 2.0537 * error, np.abs(mean) < margin - 1.7507 * error
    chance = chance_to_decide(estimate, now, then, level, margin)
    assert chance == pytest.approx(np.mean(differs | within), abs=0.005)
    assert chance_to_decide(estimate, now, then, level) == pytest.approx(np.mean(differs), abs=0.005)


def test_a_forecast_is_made_for_the_looks_ahead() -> None:
    estimate = Estimate(0.02, 0.015, 2)
    ahead = chance_by_look(estimate, 3, LOOKS, hypotheses=4, margin=0.02)
    assert list(ahead) == [5, 8]
    assert 0 < ahead[5] < ahead[8] < 1
    assert chance_to_decide(Estimate(0.02, 0.0, 2), 3, 5, 0.05) == 0.0, "nothing tells the spread"
    assert chance_to_decide(Estimate(0.0, 1e-4, 100), 3, 5, 0.05, margin=1.0) == 1.0
    with pytest.raises(ValueError, match="more seeds than there are"):
        chance_to_decide(estimate, 5, 5, 0.05)


def test_so_many_seeds_decide() -> None:
    clear, vague = Estimate(0.05, 0.02, 20), Estimate(0.05, 0.04, 20)
    few, many = seeds_to_decide(clear, 3), seeds_to_decide(vague, 3)
    assert few is not None
    assert many is not None
    assert few < many
    assert chance_to_decide(clear, 3, few, 0.05) >= 0.8
    assert few == 4 or chance_to_decide(clear, 3, few - 1, 0.05) < 0.8
    assert seeds_to_decide(Estimate(0.05, 0.0, 20), 3) is None, "nothing tells the spread"
    of_examples = Estimate(0.05, 0.04, 20, fixed=0.03**2)  # 0.05 is 1.7 times what is left without any of seeds
    assert seeds_to_decide(of_examples, 3) is None, "more seeds do not make another test split"
    assert seeds_to_decide(Estimate(0.05, 0.04, 20, fixed=0.01**2), 3) is not None
