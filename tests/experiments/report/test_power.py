"""How many seeds are enough is computed from the spread of the differences that were measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from experiments.reporting.differences import Difference
from experiments.reporting.families import in_family
from experiments.reporting.power import enough_seeds, power, seeds_needed
from experiments.reporting.replications import paired
from experiments.reporting.terminal import show
from experiments.studies.stream.page.present import present
from tests.messages import naming
from workbench.errors import InputError
from workbench.measures.statistics import interval, paired_t_test

if TYPE_CHECKING:
    from experiments.studies.stream.results.report import Report


def difference(*values: float | None) -> Difference:
    return Difference(interval(values), None, paired_t_test(values))


def with_orders(*values: float) -> Difference:
    """Two seeds, each in as many orders."""
    seeds = tuple(2 * index // len(values) for index in range(len(values)))
    return paired(values, seeds)


def test_the_easiest_and_the_hardest_are_named() -> None:
    family = in_family({"steady": difference(0.01, 0.03), "wild": difference(-0.05, 0.05), "single": difference(0.1)})
    steady, wild = (seeds_needed(family[label], 0.02) for label in ("steady", "wild"))
    assert steady is not None
    assert wild is not None
    assert steady < wild
    sentence = power(family, "average accuracy")
    assert sentence.startswith("To find a difference of 2.0 points in average accuracy with a power of 0.8, ")
    assert f"{steady} (steady) to {wild} (wild) seeds are needed" in sentence


def test_what_is_out_of_reach_is_said_and_one_seed_says_nothing() -> None:
    family = in_family({"steady": difference(0.01, 0.03), "lost": difference(-1.0, 1.0)})
    assert "(steady) seeds are needed; 1 of them need more than 1,000" in power(family, "accuracy")
    assert not power({"single": difference(0.1)}, "accuracy")


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


def test_a_seed_counts_once_in_however_many_orders() -> None:
    ordered, single = with_orders(0.01, 0.03, 0.03, 0.01, 0.06, 0.0), difference(0.07 / 3, 0.07 / 3)
    assert ordered.seeds.values == (0.01, 0.03, 0.03, 0.01, 0.06, 0.0)
    assert ordered.seeds.mean == pytest.approx(0.07 / 3)
    assert ordered.p is single.p is None, "two equal means are no six values"
    ordered, single = with_orders(0.01, 0.03, 0.03, -0.02), difference(0.02, 0.005)
    assert ordered.p == pytest.approx(single.p)
    assert seeds_needed(ordered, 0.01) == seeds_needed(single, 0.01)


def test_what_an_order_does_not_change_has_the_spread_of_its_seeds() -> None:
    assert seeds_needed(with_orders(0.01, 0.01, 0.01, 0.03, 0.03, 0.03), 0.02) == seeds_needed(
        difference(0.01, 0.03), 0.02
    )


def test_a_report_says_it(report: Report, capsys: pytest.CaptureFixture[str]) -> None:
    from rich.console import Console

    show(present(report), Console(width=200))
    assert "seeds are needed" in capsys.readouterr().out
