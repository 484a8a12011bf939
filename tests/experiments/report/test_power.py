"""What decides an undecided comparison, and how many seeds find a difference, from what was measured."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from adapter_workbench.experiments.reporting.added_seeds import further_seeds, tuning_seed
from adapter_workbench.experiments.reporting.declared_test import DeclaredTest
from adapter_workbench.experiments.reporting.differences import Difference
from adapter_workbench.experiments.reporting.families import in_family
from adapter_workbench.experiments.reporting.page import page as drawn_page
from adapter_workbench.experiments.reporting.power import (
    ALL_LOOKS_TAKEN,
    CONTINUED,
    enough_seeds,
    needs_in_words,
    seeds_needed,
    timed,
    with_needs,
)
from adapter_workbench.experiments.reporting.replications import paired
from adapter_workbench.experiments.reporting.terminal import show
from adapter_workbench.experiments.reporting.to_decide import ToDecide, to_decide_in_words
from adapter_workbench.experiments.studies import present as shown
from adapter_workbench.experiments.studies.repair import report as repair
from adapter_workbench.experiments.studies.stream.page.present import present
from adapter_workbench.experiments.studies.stream.results.summary import summarise
from adapter_workbench.experiments.terminal.looks_ahead import chances_by_look
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.measures.looks import LEVELS, LOOKS, chance_to_decide
from adapter_workbench.workbench.measures.statistics import interval, paired_t_test, seeds_for
from tests.experiments.report.finished import FINISHED
from tests.messages import naming

if TYPE_CHECKING:
    from adapter_workbench.experiments.studies.stream.results.record import Record

WITHIN = DeclaredTest(margin=0.02)


def difference(*values: float | None) -> Difference:
    return Difference(interval(values), None, paired_t_test(values))


def with_orders(*values: float) -> Difference:
    """Two seeds, each in as many orders."""
    seeds = tuple(2 * index // len(values) for index in range(len(values)))
    return paired(values, seeds)


def test_what_is_undecided_says_what_decides_it_and_what_is_decided_does_not() -> None:
    gap = timed(difference(0.01, 0.06, 0.05), [(0, 600.0), (0, 600.0), (1, 1200.0)], [(0, 2400.0)])
    assert gap.seconds == 3600.0, "the parts of a seed together, the mean over seeds, both sides"
    family = with_needs(in_family({"near": gap, "clear": difference(0.2, 0.201, 0.202)}, WITHIN))
    assert family["clear"].to_decide is None
    assert "to_decide" in family["clear"].as_json()
    needed, estimate = family["near"].to_decide, family["near"].estimate
    assert needed is not None
    assert needed.seeds is not None
    assert estimate is not None
    chances = [chance_to_decide(estimate, 3, seeds, 0.05, 0.02) for seeds in range(4, needed.seeds + 1)]
    assert chances[-1] >= 0.8, "one hypothesis is undecided, so its level is the whole one"
    assert all(chance < 0.8 for chance in chances[:-1])
    assert needed.hours == needed.seeds - 3, "an hour a further seed"
    assert family["near"].as_json()["to_decide"] == {"seeds": needed.seeds, "hours": needed.hours}


def test_a_forecast_of_looks_counts_two_that_are_the_same_test_once() -> None:
    """As Holm does, and the forecast of seeds: the level of a look is divided by the hypotheses that are undecided."""
    own, mirror = difference(0.02, -0.01, 0.03), difference(-0.02, 0.01, -0.03)
    family = in_family(
        {"own": own, "mirror": mirror, "other": difference(0.01, -0.02, 0.05)}, DeclaredTest(margin=0.02)
    )
    estimate = family["own"].estimate
    assert estimate
    for labels, hypotheses in ((["own"], 1), (["own", "mirror"], 1), (["own", "mirror", "other"], 2)):
        found = chances_by_look({label: family[label] for label in labels}, LOOKS)
        at_five = chance_to_decide(estimate, 3, 5, LEVELS[5] / hypotheses, 0.02)
        assert found["own"] == pytest.approx({5: at_five, 8: found["own"][8]})
        assert found.get("mirror", found["own"]) == pytest.approx(found["own"])


def test_repairs_have_the_seeds_of_their_stream_and_their_page_says_so() -> None:
    """Gains of 10 and 26 points with two seeds are undecided; `--until-decided` adds no seeds to repairs."""
    record: Any = FINISHED["repair"]().record
    cells = {
        at: replace(cell, scores={**cell.scores, "animals": cell.scores["animals"] + 0.3 * at[1]})
        for at, cell in record.cells.items()
    }
    text = drawn_page(shown(repair.summarise(replace(record, cells=cells))), {})
    assert "have the seeds of their stream" in text
    assert "--until-decided" not in text


def test_no_number_of_seeds_and_what_cannot_be_told() -> None:
    family = with_needs(in_family({"no gap": difference(*[-0.1, 0.1] * 20), "equal": difference(0.1, 0.1)}))
    assert family["no gap"].to_decide == ToDecide(None, None), "after 40 seeds that say nothing"
    assert family["equal"].to_decide is None, "equal differences tell no spread"
    assert "1,000" in to_decide_in_words(ToDecide(None), 3)
    assert "cannot be told" in to_decide_in_words(None, 3)
    assert "fewer than two" in to_decide_in_words(None, 1)
    assert to_decide_in_words(ToDecide(9, 1.2), 3).startswith("9 seeds (6 more: about 1 h 12 min) would decide")


def test_a_paragraph_names_the_easiest_and_points_to_a_design_that_holds_its_level() -> None:
    gaps = {"steady": difference(0.01, 0.03, 0.04), "wild": difference(-0.05, 0.05, 0.07), "single": difference(0.1)}
    family = with_needs(in_family(gaps))
    words = needs_in_words(family, "average accuracy")
    assert words.index("steady with") < words.index("wild with")
    assert "1 other" in words
    assert CONTINUED in words
    assert "--until-decided" in CONTINUED
    assert not needs_in_words({"clear": difference(0.2, 0.201, 0.202)}, "accuracy")
    assert "cannot be told" in needs_in_words({"single": difference(0.1)}, "accuracy")


def test_after_the_last_look_no_seeds_are_added() -> None:
    near = with_needs(in_family({"near": difference(0.01, 0.03, 0.04)}))["near"]
    looks = (3, 5, 8)
    between = needs_in_words({"near": replace(near, look=5)}, "accuracy", looks=looks)
    assert between.endswith(CONTINUED)
    assert needs_in_words({"near": replace(near, look=8)}, "accuracy", looks=looks).endswith(ALL_LOOKS_TAKEN)


def test_so_many_seeds_are_planned_as_the_first_difference_needs() -> None:
    family = in_family({"steady": difference(0.01, 0.03), "wild": difference(-0.05, 0.05)})
    needed = seeds_needed(family["steady"], 0.02)
    assert needed is not None
    assert enough_seeds((0, 7), family, 0.02) == (0, 7, *range(8, 8 + needed - 2))
    assert enough_seeds((0, 7), family, 1.0)[:2] == (0, 7), "what was run stays"
    with pytest.raises(InputError, match=naming("no difference", "two seeds or more")):
        enough_seeds((0,), {"single": difference(0.1)}, 0.02)
    with pytest.raises(InputError, match=naming("0.1 points", "wild and the reference", "more than 1,000 seeds")):
        enough_seeds((0, 1), {"wild": family["wild"]}, 0.001)


@pytest.mark.parametrize(
    ("seeds", "further"), [((0, 7), (8, 9)), ((97, 98), (99, 101)), ((100, 101), (103, 104)), ((100, 102), (103, 104))]
)
def test_added_seeds_leave_the_one_that_tunes_where_it_is(seeds: tuple[int, ...], further: tuple[int, ...]) -> None:
    """Another one would try all learning rates again, and fit all that was chosen by them."""
    assert further_seeds(seeds, 2) == further
    assert tuning_seed((*seeds, *further)) == tuning_seed(seeds)


def test_a_seed_counts_once_in_however_many_orders() -> None:
    ordered, single = with_orders(0.01, 0.03, 0.03, 0.01, 0.06, 0.0), difference(0.07 / 3, 0.07 / 3)
    assert ordered.seeds.values == (0.01, 0.03, 0.03, 0.01, 0.06, 0.0)
    assert ordered.seeds.mean == pytest.approx(0.07 / 3)
    assert ordered.p is single.p is None, "two equal means are no six values"
    ordered, single = with_orders(0.01, 0.03, 0.03, -0.02), difference(0.02, 0.005)
    assert ordered.p == pytest.approx(single.p)
    assert ordered.tested_seeds == 2
    assert seeds_needed(ordered, 0.01) == seeds_needed(single, 0.01)


def test_equal_differences_have_the_spread_that_their_test_takes() -> None:
    """Of 200 test examples: a step of 0.005, and 0.005 ÷ √12 is the least spread; with it two seeds have p = 0.065."""
    gap = in_family({"equal": paired([0.01, 0.01], [0, 1], step=1 / 200)})["equal"]
    assert gap.p == pytest.approx(0.065, abs=0.001)
    for points, seeds in ((0.01, 3), (0.002, 7)):
        assert seeds_needed(gap, points) == seeds_for(points, 0.005 / 12**0.5) == seeds


def test_no_number_of_seeds_makes_another_test_split() -> None:
    of_seeds = in_family({"steady": difference(0.01, 0.03)})["steady"]
    assert of_seeds.estimate
    few, many = (
        seeds_needed(replace(of_seeds, estimate=replace(of_seeds.estimate, fixed=fixed)), 0.02)
        for fixed in (0.005**2, 0.02**2)
    )
    assert few is not None
    assert few > (seeds_needed(of_seeds, 0.02) or 0)
    assert many is None


def test_what_an_order_does_not_change_has_the_spread_of_its_seeds() -> None:
    assert seeds_needed(with_orders(0.01, 0.01, 0.01, 0.03, 0.03, 0.03), 0.02) == seeds_needed(
        difference(0.01, 0.03), 0.02
    )


def test_a_report_says_it(record: Record, capsys: pytest.CaptureFixture[str]) -> None:
    from rich.console import Console

    kept = tuple(outcome for outcome in record.outcomes if outcome.seed < 2)
    two = replace(record, seeds=(0, 1), outcomes=kept, reference="full-joint")
    show(present(summarise(two)), Console(width=200))
    assert "--until-decided" in capsys.readouterr().out, "two seeds do not decide everything"
