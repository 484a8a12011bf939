"""What was not equal in a stream: found in settings and in what was recorded, on the page and in JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, get_args

import pytest

from adapter_workbench.experiments.reporting.page import page as drawn_page
from adapter_workbench.experiments.strategies.isolated import IsolatedSettings
from adapter_workbench.experiments.studies.stream.page.present import present
from adapter_workbench.experiments.studies.stream.plan.entry import Entry
from adapter_workbench.experiments.studies.stream.results.record import Record
from adapter_workbench.experiments.studies.stream.results.report import Report, circumstances
from adapter_workbench.experiments.studies.stream.results.summary import summarise
from adapter_workbench.fusion.target.composition import Request

RECIPE = """name: tiny-stream
backbone: {backbone}
tasks: [animals, halves]
seeds: [0]
budget: {{train_examples: 16, epochs: 1, batch_size: 8, max_length: 16, precision: fp32}}
strategies:
  sequential: {{strategy: sequential, method: full, learning_rate: 0.003}}
  isolated: {{strategy: isolated, method: lora, learning_rate: 0.02}}
  fused: {{strategy: isolated, method: lora, learning_rate: 0.02, init: fused}}
  replay: {{strategy: replay, method: full, learning_rate: 0.003, memory: 6}}
  l2: {{strategy: l2-to-start, method: full, learning_rate: 0.003, strength: [0.1, 1]}}
  trial: {{strategy: merged, method: lora, learning_rate: 0.02, keep: 1, pair: trial, tries: 2}}
  joint: {{strategy: joint, method: full, learning_rate: 0.003}}
  by default: {{strategy: sequential, method: full}}
reference: sequential
frontier: {{sequential: [0.001]}}
"""
EQUAL = {
    "tasks that are learned together": 1,
    "examples kept of earlier tasks": 0,
    "models that answer": 1,
    "head of a task at first": "random",
    "fits of a stage, of which validation picks one": 1,
    "merges tried at a stage, of which validation picks one": 0,
    "learning rates tried": 1,
    "learning rate, or the first that is tried": "the recipe's",
}


@pytest.mark.parametrize(
    ("label", "own"),
    [
        ("sequential", {}),
        ("by default", {"learning rate, or the first that is tried": "the default"}),
        ("isolated", {"models that answer": 2}),
        ("fused", {"models that answer": 2, "head of a task at first": "fitted"}),
        ("replay", {"examples kept of earlier tasks": 6}),
        ("l2", {"fits of a stage, of which validation picks one": 2}),
        ("trial", {"merges tried at a stage, of which validation picks one": 2}),
        ("joint", {"tasks that are learned together": 2}),
    ],
)
def test_each_advantage_is_found(report: Report, label: str, own: Mapping[str, Any]) -> None:
    assert circumstances(report.record)[label] == {**EQUAL, **own}


def test_a_composition_that_is_trained_further_begins_under_a_fitted_head() -> None:
    assert Request.head == "fitted", "what the entry `fused` is said to have"


@pytest.mark.parametrize("init", get_args(IsolatedSettings.model_fields["init"].annotation))
def test_every_start_but_a_fresh_one_has_a_fitted_head(report: Report, init: str) -> None:
    entries = {entry.label: entry for entry in report.record.entries}
    began = replace(entries["isolated"], settings={**entries["isolated"].settings, "init": init})
    own = circumstances(reduced(report.record, began).record)["isolated"]
    assert own["head of a task at first"] == ("random" if init == "fresh" else "fitted")


def test_page_and_json_tell_who_had_which(report: Report) -> None:
    unequal = {inequality["what"]: inequality for inequality in report.as_json()["not_equal"]}
    assert unequal["models that answer"] == {
        "what": "models that answer",
        "against": "sequential",
        "reference": 1,
        "others": [{"value": 2, "who": ["isolated", "fused"]}],
    }
    assert unequal.keys() == {*EQUAL} - {"learning rates tried"}, "points of a frontier are shown, and not picked from"
    page = drawn_page(present(report), {})
    assert page.count(">What was not equal") == 1
    assert "<h2>How each strategy learns" in page, "the table of settings stands under a name of its own"


def reduced(record: Record, *entries: Entry) -> Report:
    """What is reported where these alone were compared."""
    kept = {entry.label for entry in entries}
    outcomes = tuple(outcome for outcome in record.outcomes if outcome.label in kept)
    return summarise(replace(record, entries=entries, outcomes=outcomes))


def test_equals_are_called_that(report: Report) -> None:
    entries = {entry.label: entry for entry in report.record.entries}
    equals = reduced(
        report.record, entries["sequential"], replace(entries["replay"], settings=entries["sequential"].settings)
    )
    assert equals.as_json()["not_equal"] == []
    assert "What was not equal: nothing that the settings tell." in drawn_page(present(equals), {})
    alone = reduced(report.record, entries["sequential"])
    assert "What was not equal" not in drawn_page(present(alone), {}), "nothing is compared"


def test_what_is_not_known_yet_is_no_inequality(report: Report) -> None:
    early = tuple(outcome for outcome in report.record.outcomes if outcome.stage == 1 and outcome.label != "replay")
    own = circumstances(replace(report.record, outcomes=early))
    assert own["replay"]["fits of a stage, of which validation picks one"] is None
    assert own["joint"]["tasks that are learned together"] is None


def test_answers_that_are_generated_need_no_head(report: Report) -> None:
    generated = replace(report.record, kinds=dict.fromkeys(report.record.tasks, "causal-lm"))
    assert {own["head of a task at first"] for own in circumstances(generated).values()} == {None}


def test_what_was_counted_comes_through_every_strategy(report: Report) -> None:
    strategies = report.as_json()["strategies"]
    assert {label: entry["cost"]["processor_seconds"] > 0 for label, entry in strategies.items()} == dict.fromkeys(
        strategies, True
    )
