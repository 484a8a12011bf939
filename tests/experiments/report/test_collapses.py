"""A seed that collapsed is said before any p, and the worst seed stands below each mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from adapter_workbench.experiments.reporting.cells import score
from adapter_workbench.experiments.reporting.collapses import collapsed, collapses_in_words, worst_seed
from adapter_workbench.experiments.studies import present
from adapter_workbench.workbench.measures.statistics import interval
from tests.experiments.report.finished import FINISHED

if TYPE_CHECKING:
    from adapter_workbench.experiments.studies.stream.results.report import Report

LOW = [0.779, 0.745, 0.495, 0.727, 0.689]  # sequential-lora of docs/results/20news-10.json
SCORES = {"steady": ([0.80, 0.81, 0.79, 0.80, 0.82], range(5)), "low": (LOW, range(5))}


def test_entries_with_a_collapse_are_named_with_its_score_and_those_of_the_others() -> None:
    assert collapsed(SCORES) == {"low": (2,)}
    (words,) = collapses_in_words(SCORES)
    assert words == (
        "Collapsed: one of 5 seeds of low (49.5; the others 68.9 to 77.9); its verdicts speak of the mean, and no test "
        "of a mean allows for collapses."
    )
    both = {**SCORES, "lower": ([0.80, 0.81, 0.80, 0.50, 0.48], (1, 2, 3, 4, 5))}
    (words,) = collapses_in_words(both)
    assert "two of 5 seeds of lower (50.0, 48.0; the others 80.0 to 81.0); their verdicts" in words
    assert not [*collapses_in_words({"steady": SCORES["steady"]})]


def test_a_seed_is_the_mean_over_its_orders() -> None:
    values = [value + shift for value in LOW for shift in (-0.1, 0.1)]
    seeds = [seed for seed in range(5) for _ in range(2)]
    assert collapsed({"low": (values, seeds)}) == {"low": (2,)}


def test_the_worst_seed_is_on_the_bad_side() -> None:
    assert worst_seed(interval(LOW)) == "worst 49.5"
    assert worst_seed(interval(LOW), "lower") == "worst 77.9"
    assert worst_seed(interval([0.5])) == "", "one seed is the mean"
    assert score(interval(LOW)).notes[-1] == "worst 49.5"


@pytest.mark.parametrize("study", ["methods", "routing", "compositions", "repair", "updates"])
def test_every_study_has_the_score_of_each_seed_and_shows_the_worst(study: str) -> None:
    report = FINISHED[study]()
    known = {
        label: [value for value in values if value is not None] for label, (values, _) in report.seed_scores.items()
    }
    assert any(len(values) > 1 for values in known.values())
    notes = [note for table in present(report).tables for row in table.rows for cell in row for note in cell.notes]
    assert any(note.startswith("worst ") for note in notes)


def test_a_report_says_it_before_the_tests(report: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    first = report.strategies[0]
    average = interval([0.80, 0.81, 0.40])
    monkeypatch.setitem(first.metrics, "average_accuracy", average)
    evidence = present(report).evidence
    assert evidence[0].startswith(f"Collapsed: one of 3 seeds of {first.label} (40.0; the others 80.0 to 81.0)")
    assert evidence[1:] == tuple(report.evidence)
    assert report.as_json()["collapsed"] == {first.label: [report.record.seeds[2]]}
    monkeypatch.undo()
    assert "collapsed" not in report.as_json(), "none did"
