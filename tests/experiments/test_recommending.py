"""Which method is recommended: by the declared test alone, and that undecided is not called equal.

Paired over three seeds: gaps 0.01 apart around −0.01 have t = −1.7, p = 0.225; around −0.1, t = −17.3, p = 0.003.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from adapter_workbench.experiments.reporting.differences import Difference
from adapter_workbench.experiments.reporting.families import in_family
from adapter_workbench.experiments.studies.methods.report import MethodRow as Row
from adapter_workbench.experiments.studies.methods.report import Recommendation, recommend
from adapter_workbench.workbench.measures.seeds_and_examples import ExampleVariance
from adapter_workbench.workbench.measures.statistics import interval, paired_t_test
from tests.experiments.made_up_methods import method_row


def against(label: str, gaps: list[float], parameters: int, examples: float = 0.0) -> Row:
    """A method with these differences from full's 0.95 at equal seeds; another test split moves them by so much."""
    of_examples = ExampleVariance(*map(np.asarray, (examples**2, 100.0, 0.0, 100.0))) if examples else None
    difference = Difference(interval(gaps), None, paired_t_test(gaps), example_variance=of_examples)
    return method_row(label, [0.95 + gap for gap in gaps], parameters, difference)


def advice(*others: Row) -> Recommendation | None:
    """What is recommended of these methods and full, adjusted as one family."""
    family = in_family({other.label: other.difference for other in others if other.difference})
    compared = [replace(other, differences={"": family[other.label]}) for other in others]
    return recommend([method_row("full", [0.95, 0.95, 0.95], 22_000_000), *compared], "full")


LORA = against("lora", [-0.02, -0.01, 0.0], 75_000)
HEAD = against("head", [-0.11, -0.1, -0.09], 2_000)


def test_the_smallest_that_the_test_does_not_put_below_the_reference() -> None:
    pfeiffer = against("pfeiffer", [-0.01, 0.0, 0.01], 110_000)
    recommendation = advice(LORA, pfeiffer, HEAD)
    assert recommendation.label == "lora"
    assert recommendation.sentence == (
        "lora trains the fewest parameters (75.0 k, 0.34 % of full's) of the methods that are not below full "
        "by the unadjusted test over seeds. Which of lora and full scores higher is undecided."
    )


def test_what_only_the_unadjusted_test_puts_below_is_undecided_and_not_recommended() -> None:
    """p = 0.035 alone, and, adjusted for two methods (Holm) 0.070."""
    below = against("below", [-0.04, -0.03, -0.02], 2_000)
    assert below.difference.p == pytest.approx(0.035, abs=0.001)
    assert advice(LORA, below).label == "lora"
    larger = against("larger", [0.0, 0.01, 0.02], 30_000_000)
    assert advice(below, larger).sentence == (
        "full: no method is higher, and each that trains fewer parameters is below it by the unadjusted test over "
        "seeds."
    )


def test_what_another_test_split_might_turn_around_is_not_below() -> None:
    below = against("below", [-0.04, -0.03, -0.02], 2_000, examples=0.02)
    recommendation = advice(below)
    assert recommendation.label == "below"
    assert (
        "not below full by the unadjusted test over seeds and test examples. Which of below and "
        "full scores higher is undecided" in (recommendation.sentence)
    )


def test_where_some_are_higher_the_smallest_of_those() -> None:
    better = against("better", [0.09, 0.1, 0.11], 500_000)
    best = against("best", [0.19, 0.2, 0.21], 30_000_000)
    recommendation = advice(LORA, best, better)
    assert recommendation.label == "better"
    assert recommendation.sentence == (
        "better trains the fewest parameters (500 k, 2.3 % of full's) of the methods that are higher than full. "
        "better scored 10.0 points higher than full."
    )


def test_the_reference_where_it_is_the_smallest_and_nothing_is_higher() -> None:
    recommendation = advice(against("larger", [0.0, 0.01, 0.02], 30_000_000))
    assert recommendation.label == "full"
    assert recommendation.sentence == "full: no method is higher, and none trains fewer parameters (22.0 M parameters)."


def test_of_equally_many_parameters_the_higher_mean() -> None:
    assert advice(LORA, against("dora", [-0.01, 0.0, 0.01], 75_000)).label == "dora"


@pytest.mark.parametrize(
    ("parameters", "share"),
    [(21_990_000, "100 %"), (2_970_000, "14 %"), (20, "less than 0.001 %"), (440, "0.002 %"), (0, "0 %")],
)
def test_a_share_is_written_without_powers_of_ten(parameters: int, share: str) -> None:
    assert f", {share} of full's) of the methods" in advice(against("lora", [-0.02, -0.01, 0.0], parameters)).sentence


def test_with_one_seed_nothing_can_be_told() -> None:
    recommendation = advice(against("lora", [-0.01], 75_000))
    assert recommendation.label is None
    assert recommendation.sentence == (
        "With one seed nothing can be recommended; the highest score is that of full (95.0 %)."
    )


def test_what_has_not_run_has_not_the_highest_of_negative_scores() -> None:
    """Correlations may be negative."""
    lora = method_row("lora", [-0.2], 75_000, Difference(interval([-0.1])))
    recommendation = recommend([method_row("full", [-0.1], 22_000_000), lora, method_row("not-run", [], 2_000)], "full")
    assert recommendation is not None
    assert "the highest score is that of full (−10.0 %)" in recommendation.sentence


def test_one_method_alone_is_not_compared() -> None:
    assert advice() == Recommendation(None, "There is nothing to compare: the recipe has one method.")


def test_nothing_yet_before_two_seeds_are_there() -> None:
    assert advice(replace(LORA, differences={"": Difference(interval([-0.01, None]))})) is None
    assert recommend([method_row("full", [], 22_000_000), method_row("lora", [], 75_000)], "full") is None
