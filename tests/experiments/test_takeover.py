"""Whether a candidate may take the champion's place: the rule on rows whose label both know, and what stops it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from adapter_workbench.experiments.gating import succession
from adapter_workbench.experiments.gating.candidate.by_label import compare_labels
from adapter_workbench.experiments.gating.candidate.comparison import compare
from adapter_workbench.experiments.gating.candidate.judged_rows import JudgedRows
from adapter_workbench.experiments.gating.contest import Contest
from adapter_workbench.experiments.gating.takeover import BESIDE, CALLED, LACKING, Takeover, takeover_of
from adapter_workbench.tasks.updating.label_map import LabelMap, unchanged
from adapter_workbench.workbench.adapters.manifest import AcceptedLoss
from adapter_workbench.workbench.measures.paired_scores import drop
from adapter_workbench.workbench.mlflow.registration import Version
from bench.takeover_rates import LABELS, Case, rates
from tests.experiments.test_candidates import GROWN, rows

KEPT = unchanged("ab")


def judged(right: int, lost: int, won: int, both_wrong: int = 0, new: str = "", labels: LabelMap = KEPT) -> JudgedRows:
    """Return rows of label a that so many adapters have right, then rows of a new label with the candidate's answers.

    The champion cannot give a new label.
    """
    known = right + lost + won + both_wrong
    champion = "a" * (right + lost) + "b" * (won + both_wrong) + "a" * len(new)
    candidate = "a" * right + "b" * lost + "a" * won + "b" * both_wrong + new
    return rows("a" * known + "n" * len(new), champion, candidate, "+" * (known + len(new)), labels)


def beside(
    validation: JudgedRows, test: JudgedRows | None = None, margin: float = 2.0, labels: LabelMap = KEPT, **how: Any
) -> Takeover:
    test = judged(20, 0, 0, labels=labels) if test is None else test
    known = tuple(position for position, sources in enumerate(labels.sources) if sources)
    groups, single = compare(test), compare_labels(test, labels, known)
    outcome = takeover_of(validation, groups, single, margin, **({"later": True} | how))
    assert isinstance(outcome, Takeover)
    return outcome


def test_rows_of_a_label_that_the_champion_cannot_give_do_not_help_the_candidate() -> None:
    """The measured case: one of 71 validation rows decided, and rows of the new label counted against the champion."""
    validation = judged(45, 5, 3, 7, new="n" * 11, labels=GROWN)
    outcome = beside(validation, labels=GROWN)
    assert outcome.rows == 60
    assert outcome.scores == (50 / 60, 48 / 60)
    assert not outcome.holds
    (check,) = outcome.checks()
    assert (check.what, check.bound, check.value) == (BESIDE, 0.0, pytest.approx(-100 * 2 / 60))
    assert "too few rows to rule out a loss of 2 points (power " in check.note
    everything = takeover_of(replace(validation, known=np.ones(71, dtype=bool)), (), (), 2.0, later=True)
    assert isinstance(everything, Takeover)
    assert everything.holds, "11 rows more than it loses"


def test_with_few_rows_no_margin_is_granted_and_none_is_needed_where_nothing_is_lost() -> None:
    assert beside(judged(50, 1, 1, 8)).holds
    assert not beside(judged(50, 2, 1, 7)).holds
    assert beside(judged(40, 0, 20)).is_shown


def test_the_power_is_not_computed_where_a_loss_is_ruled_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a sum over all numbers of lost and gained answers, and nobody reads it there."""
    monkeypatch.setattr(
        "adapter_workbench.experiments.gating.takeover.power_to_rule_out", lambda *_: pytest.fail("it was computed")
    )
    (check,) = beside(judged(40, 0, 20)).checks()
    assert (check.bound, check.whole, check.holds) == (-2.0, True, True)


def test_with_many_rows_the_whole_interval_has_to_be_above_the_margin() -> None:
    small, large = beside(judged(5700, 120, 100, 80)), beside(judged(5600, 180, 80, 140))
    assert (small.is_too_small, small.is_shown, small.holds) == (False, True, True)
    assert small.difference.mean == pytest.approx(-20 / 6000)
    (check,) = large.checks()
    interval = drop(*(np.array([1.0] * a + [0.0] * b) for a, b in ((0, 1), (0, 1))))
    assert interval.mean == 0
    assert (large.is_shown, check.bound, check.whole, check.holds) == (False, -2.0, True, False)
    assert "not ruled out" in check.note
    assert beside(judged(5600, 180, 80, 140), margin=4.0).holds


@pytest.mark.parametrize("margin", [100.0, 2.0])
def test_what_the_report_calls_lower_stops_it_whatever_the_margin(margin: float) -> None:
    outcome = beside(judged(60, 0, 0), judged(60, 16, 2, 10), margin)
    called = next(check for check in outcome.checks() if check.what == CALLED)
    assert (called.holds, called.value) == (False, 2.0), "the old rows, and their label"
    assert "old rows 70.5 %, the champion 86.4 %, −15.9 points [" in called.note
    assert "label a −15.9 points [" in called.note
    assert not outcome.holds
    assert all(check.holds for check in outcome.checks(accepted=True))
    assert {check.as_json()["accepted"] for check in outcome.checks(accepted=True)} == {False, True}


def test_rows_of_one_version_are_not_called_old() -> None:
    (lower, _) = beside(judged(60, 0, 0), judged(60, 16, 2, 10), later=False).lower
    assert lower.startswith("all rows 70.5 %, the champion 86.4 %, −15.9 points [")


def test_one_label_that_is_lost_stops_it_although_all_rows_together_are_not() -> None:
    gold = "a" * 60 + "b" * 60
    test = rows(gold, "a" * 48 + "b" * 12 + "b" * 45 + "a" * 15, "a" * 36 + "b" * 24 + "b" * 57 + "a" * 3, "+" * 120)
    outcome = beside(judged(60, 0, 0), test)
    assert not any(group.verdict and group.verdict.word == "lower" for group in compare(test))
    assert len(outcome.lower) == 1
    assert outcome.lower[0].startswith("label a −20.0 points [")


def test_an_earlier_version_that_cannot_give_a_label_of_the_champion_is_held_back() -> None:
    validation = judged(50, 0, 4, new="n" * 5, labels=GROWN)
    outcome = beside(validation, labels=GROWN, later=False, backwards=True)
    assert outcome.scores == (1.0, 50 / 54), "the champion is the one of the later version"
    assert outcome.lacking == ("new",)
    assert [check.what for check in outcome.checks() if not check.holds] == [BESIDE, LACKING]


def test_without_a_row_whose_label_both_know_nothing_is_compared() -> None:
    only_new = judged(0, 0, 0, new="nnn", labels=GROWN)
    assert takeover_of(only_new, (), (), 2.0, later=True) == "no validation row has a label that both know"


def test_the_sentence_has_both_scores_the_interval_and_the_power() -> None:
    outcome = beside(judged(40, 9, 5, 10), judged(60, 16, 2, 10))
    sentence = outcome.sentence("version 2", "version 1")
    gap = "on 64 validation rows whose label both know, version 2 has 70.3 %, version 1 76.6 %: −6.2 points ["
    assert sentence.startswith(gap)
    assert f"(power {100 * (outcome.power or 0):.0f} %), so none is allowed; lower on test rows: old rows " in sentence
    AcceptedLoss(champion="a", loss=sentence, when="2026-12-02T00:00:00+00:00")


def test_what_cannot_be_compared_is_to_be_accepted_too_and_what_holds_is_not() -> None:
    own, champion = Version("", "b", "m", 0.5, identity="2"), Version("1", "a", "other", 0.75, identity="1")
    alike = Version("1", "a", "m", 0.25, identity="1")
    assert Contest("t.lora", own, champion, "a is not in this workspace").to_accept == (
        "not compared: a is not in this workspace"
    )
    assert Contest("t.lora", own, alike, "its rows are gone").to_accept is None, "the same examples, and a higher score"
    assert Contest("t.lora", own, None, None).to_accept is None
    lower = beside(judged(40, 9, 5, 10))
    assert Contest("t.lora", own, champion, lower).to_accept == lower.sentence()
    assert Contest("t.lora", own, champion, beside(judged(50, 0, 0, 10))).to_accept is None


def test_a_champion_of_another_name_is_called_by_its_adapter() -> None:
    """What is no version of a name yet may be held against the champion of another method: both have numbers apart."""
    own, champion = Version("", "b", "m", 0.5), Version("1", "a", "other", 0.75)
    (check,) = Contest("t.sum", own, champion, "its rows are gone").checks()
    assert check.note == "a cannot be compared: its rows are gone"
    said = succession.beside(own, champion, beside(judged(40, 9, 5, 10)))
    assert "label both know, b has 70.3 %, a 76.6 %: " in said
    said = succession.beside(replace(own, number="2"), champion, beside(judged(40, 9, 5, 10)))
    assert "label both know, version 2 has 70.3 %, version 1 76.6 %: " in said


@pytest.mark.parametrize(("points", "share"), [(0, 0.5085), (2, 0.145), (5, 0.001)])
def test_an_adapter_that_is_much_worse_hardly_ever_passes(points: float, share: float) -> None:
    """With 200 rows; the shares are those of 2,000 draws in docs/results/takeover-rates.json."""
    draws = 400
    passed = rates(Case((points,) * LABELS), 200, draws, np.random.default_rng(0)).passes
    assert abs(passed - share) <= 2 * (share * (1 - share) / draws) ** 0.5  # two standard errors
