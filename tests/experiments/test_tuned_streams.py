"""Equal tuning of a stream: every entry tries equally many learning rates on single tasks, before any stream begins."""

from __future__ import annotations

import json
import pickle
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapter_workbench.experiments.api import Workbench
from adapter_workbench.experiments.reporting.page import page as drawn_page
from adapter_workbench.experiments.studies.core.tune import ATTEMPTS, LearningRateTrial, choose, over_tasks
from adapter_workbench.experiments.studies.core.widening import OUTWARD
from adapter_workbench.experiments.studies.stream.page.present import present
from adapter_workbench.workbench.errors import IntegrityError, SettingsError, TrainingError
from tests.runs import pieces

RECIPE = """name: tiny-tuned
description: made in tests
backbone: {backbone}
tasks: [animals, halves]
seeds: [0]
budget: {{train_examples: 16, epochs: 1, batch_size: 8, max_length: 16, precision: fp32}}
strategies:
  isolated: {{strategy: isolated, method: full, learning_rate: 0.0001}}
  sequential: {{strategy: sequential, method: full, learning_rate: 0.0001}}
  joint: {{strategy: joint, method: full, learning_rate: 0.0001}}
  features: {{strategy: sequential, method: head, learning_rate: 0.0001}}
reference: sequential
tune: 3
frontier: tried
"""
ENTRIES = ("isolated", "sequential", "joint", "features")


class TestPlan:
    def test_every_entry_tries_equally_many_rates_each_on_the_first_tasks(self, plan: Any) -> None:
        tried = {entry.label: entry.tried for entry in plan.entries if entry.frontier is None}
        assert tuple(tried) == ENTRIES
        assert {len(rates) for rates in tried.values()} == {3 + 2 * OUTWARD}, "and those beyond the edges, if needed"
        assert {len(rate.attempts) for rates in tried.values() for rate in rates} == {2}
        assert tried["isolated"] == tried["sequential"] == tried["joint"], "one method, one search"

    def test_what_entries_share_is_tried_once_and_before_all_else(self, plan: Any) -> None:
        work = pieces(plan)
        attempts = [piece for piece in work if piece.coordinates.get("part") == "attempt"]
        assert len(attempts) == 2 * (3 + 2 * OUTWARD) * 2, "methods, rates, tasks"
        assert work[: len(attempts)] == attempts
        assert {piece.coordinates["seed"] for piece in attempts} == {100}, "a seed that is not compared"
        assert len({piece.label for piece in work}) == len(work)
        positions = {piece.key: position for position, piece in enumerate(work)}
        for position, piece in enumerate(work[len(attempts) :], start=len(attempts)):
            assert all(positions[need] < position for need in piece.needs)
            own = {attempt.key for attempt in attempts} & {*piece.needs}
            assert len(own) == 2 * (3 + 2 * OUTWARD), "whoever is at a learning rate waits until it is known"

    def test_frontier_has_whoever_can_forget(self, plan: Any) -> None:
        points = Counter(entry.frontier for entry in plan.entries if entry.frontier)
        assert points == {"sequential": 3}, "no head on features that never change, nothing isolated or joint"

    def test_frontier_has_the_entries_that_are_listed(self, bench: Workbench, study_folder: Path) -> None:
        plan = bench.plan(str(study_folder / "tiny.yaml"), ["frontier=[isolated]"])
        assert Counter(entry.frontier for entry in plan.entries if entry.frontier) == {"isolated": 3}

    def test_pieces_can_be_sent_to_another_process(self, plan: Any) -> None:
        for piece in pieces(plan):
            assert pickle.loads(pickle.dumps(piece)).key == piece.key

    def test_a_recipe_without_tuning_has_the_keys_that_it_had(self, bench: Workbench, study_folder: Path) -> None:
        plain = bench.plan(str(study_folder / "tiny.yaml"), ["tune=0", "frontier={}"])
        assert [piece.coordinates["step"] for piece in pieces(plain)] == [step.key for step in plain.stages]

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            (["tune=1"], "'frontier: tried' has no learning rates"),
            (["frontier={sequential: [0.1]}"], "with 'tune', the learning rates of 'frontier' are those"),
            (["tune=1", "frontier=[sequential]"], "'frontier: a list of entries' has no"),
            (["frontier=[sequentail]"], "'frontier' names no entry of 'strategies': 'sequentail'"),
            (["frontier=[sequential, sequential]"], "frontier"),
            (["frontier=all"], "frontier"),
        ],
    )
    def test_keys_that_do_not_go_together_are_refused(
        self, changes: list[str], message: str, bench: Workbench, study_folder: Path
    ) -> None:
        with pytest.raises(SettingsError, match=message) as caught:
            bench.plan(str(study_folder / "tiny.yaml"), changes)
        assert "frontier" in str(caught.value)


class TestRun:
    def test_best_on_validation_is_taken_for_the_whole_stream(self, report: Any, bench: Workbench, plan: Any) -> None:
        attempts = {
            piece.key: piece.coordinates for piece in pieces(plan) if piece.coordinates.get("part") == "attempt"
        }
        documents = {key: ATTEMPTS.documents(bench.workspace).require(key) for key in attempts}
        for entry in report.strategies:
            attempted = _tried(plan, entry.label)
            own = {rate: over_tasks([documents[key] for key in keys]) for rate, keys in attempted.items()}
            assert entry.entry.settings["learning_rate"] == choose([*own.values()])
            best = max(trial.validation for trial in own.values() if trial.needed)
            assert own[entry.entry.settings["learning_rate"]].validation == best
        rates = {strategy.label: strategy.entry.settings["learning_rate"] for strategy in report.strategies}
        assert rates["sequential"] > 0.0001, "its own rate is too small to learn anything in two steps"

    def test_streams_are_those_of_the_rate_written_down(
        self, report: Any, bench: Workbench, study_folder: Path
    ) -> None:
        (chosen,) = {
            entry.entry.settings["learning_rate"] for entry in report.strategies if entry.label == "sequential"
        }
        changes = ["name=plain", "tune=0", "frontier={}", f"strategies.sequential.learning_rate={chosen!r}"]
        plain = bench.plan(str(study_folder / "tiny.yaml"), changes)
        waiting = {piece.coordinates["label"] for piece in bench.pending(plain)}
        assert "sequential" not in waiting, "they are done already"
        own, same = (entry for entry in report.strategies if entry.label == "sequential"), bench.run(plain, "test")
        assert next(own).matrix == next(entry for entry in same.strategies if entry.label == "sequential").matrix

    def test_frontier_is_drawn_from_what_was_tried(self, report: Any) -> None:
        assert tuple(report.frontier) == ("sequential",)
        frontier = report.frontier["sequential"]
        assert len(frontier.points) == 4, "the best rate is one beyond the three that are tried in any case"
        assert frontier.picked is frontier.chosen
        tuning = report.record.tunings["sequential"]
        assert [point.validation for point in frontier.points] == [
            tuning.validation(point.learning_rate) for point in frontier.points
        ]
        assert len(report.others) == 3, "the rate that was chosen is the entry itself"
        assert report.complete

    def test_report_says_what_was_tried(self, report: Any, bench: Workbench) -> None:
        document = report.as_json()
        tuning = document["strategies"]["sequential"]["tuning"]
        rates = [trial["learning_rate"] for trial in tuning["tried"]]
        assert rates[3:] == pytest.approx([max(rates[:3]) * 10**0.5, max(rates[:3]) * 10])
        assert tuning["enclosed"] is (tuning["chosen"] != max(rates))
        assert tuning["chosen"] == document["strategies"]["sequential"]["settings"]["learning_rate"]
        json.dumps(document, allow_nan=False)
        tried = {label: len(entry["tuning"]["tried"]) for label, entry in document["strategies"].items()}
        unequal = {entry["what"] for entry in document["not_equal"]}
        assert ("learning rates tried" in unequal) == (len({*tried.values()}) > 1), "who needed more says so"
        text = drawn_page(present(report), {})
        assert "Learning rates" in text
        assert "mean over animals, halves" in text

    def test_an_attempt_that_is_missing_is_named(self, report: Any, bench: Workbench, plan: Any) -> None:
        (attempt, *_) = pieces(plan)
        path = ATTEMPTS.documents(bench.workspace).root / f"{attempt.key}.json"
        content = path.read_bytes()
        path.unlink()
        try:
            with pytest.raises(IntegrityError, match="missing"):
                bench.report("tiny-tuned")
        finally:
            path.write_bytes(content)
        assert bench.report("tiny-tuned").as_json() == report.as_json()

    def test_nothing_is_done_twice(self, report: Any, bench: Workbench, plan: Any, monkeypatch) -> None:
        def refuse(*_: object) -> None:
            raise AssertionError("this was done already")

        monkeypatch.setattr("adapter_workbench.experiments.studies.core.tune.teach", refuse)
        assert bench.pending(plan) == []
        assert bench.run(plan, "again").as_json() == report.as_json()

    def test_a_run_without_any_rate_that_works_says_so(
        self, bench: Workbench, study_folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: object) -> None:
            raise TrainingError("the loss is not a number")

        monkeypatch.setattr("adapter_workbench.experiments.studies.core.tune.teach", fail)
        plan = bench.plan(str(study_folder / "tiny.yaml"), ["name=hopeless", "budget.train_examples=8"])
        with pytest.raises(TrainingError, match=r"no learning rate .* 0\.0001"):
            bench.run(plan, "test")
        assert not bench.report("hopeless").complete


def test_a_rate_that_failed_on_one_task_has_no_mean() -> None:
    fine, failed = LearningRateTrial(0.1, 0.8, -0.5, 1.0), LearningRateTrial(0.1, None, None, 2.0)
    assert over_tasks([fine, replace(fine, validation=0.6, log_likelihood=-0.7)]) == LearningRateTrial(
        0.1, pytest.approx(0.7), pytest.approx(-0.6), 2.0
    )
    assert over_tasks([fine, failed]) == LearningRateTrial(0.1, None, None, 3.0)


def _tried(plan: Any, label: str) -> dict[float, tuple[str, ...]]:
    (entry,) = (entry for entry in plan.entries if entry.label == label)
    return {rate.learning_rate: rate.attempts for rate in entry.tried}
