"""Where a strategy of a stream learned nothing: told by the test right after learning, in one sentence a strategy."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pandas as pd

from adapter_workbench.experiments.reporting.presentation import Grid, Paragraph
from adapter_workbench.experiments.studies.stream.page.present import present
from adapter_workbench.experiments.studies.stream.page.sentences import sentences
from adapter_workbench.experiments.studies.stream.results.summary import summarise
from adapter_workbench.experiments.studies.stream.results.unlearned import DoubtfulTest, constant_scores, doubtful_tests
from adapter_workbench.experiments.studies.stream.work.stage_outcome import Cell, Cost, StageOutcome

if TYPE_CHECKING:
    from adapter_workbench.experiments.studies.stream.results.record import Record

COST = Cost(1.0, None, 1, 1)
WORKSPACE: Any = SimpleNamespace(evaluations=SimpleNamespace(outcomes=Path))


def cell(task: str, stage: int, score: float) -> Cell:
    return Cell(task, stage, score, 400, "measured", 1.0, f"{task}-{stage}")


def test_only_tests_right_after_learning_with_low_scores_are_looked_at() -> None:
    outcomes = [
        StageOutcome("shared", 0, 0, "a", (cell("a", 0, 0.5),), COST, 0.5),  # before any task
        StageOutcome("shared", 0, 1, "a", (cell("a", 1, 0.5), cell("b", 1, 0.1)), COST, 0.5),
        StageOutcome("shared", 0, 2, "b", (cell("a", 2, 0.5), cell("b", 2, 0.9)), COST, 0.5),
        StageOutcome("shared", 0, 3, "c", (cell("c", 3, 0.9),), COST, 0.5),  # its constant is not known
        StageOutcome("all", 0, 3, "c", (cell("a", 3, 0.5), cell("b", 3, 0.61)), COST, 0.5),
    ]
    majority = constant_scores(["a", "b", "c"], [0.5, 0.5, None])
    doubtful = doubtful_tests(outcomes, {"shared": "sequential", "all": "joint"}, majority, WORKSPACE)
    assert [(test.label, test.outcomes.name) for test in doubtful] == [
        ("shared", "a-1"),
        ("shared", "c-3"),
        ("all", "a-3"),
        ("all", "b-3"),  # 0.11 above: within 0.06 and 1.96 / 20
    ]


def test_a_sentence_for_each_strategy_or_one_for_all(record: Record, tmp_path: Path) -> None:
    same, right = tmp_path / "same.parquet", tmp_path / "right.parquet"
    labels = [0, 1] * 200
    for path, answers in ((same, [0] * 400), (right, labels)):
        frame = pd.DataFrame({"label": labels, "prediction": answers})
        frame.assign(correct=frame["label"] == frame["prediction"]).to_parquet(path)
    doubtful = tuple(
        DoubtfulTest(label, seed, 0, task, 0.5, path)
        for label, seed, task, path in (
            ("lora-sequential", 1, "bbc-news", same),
            ("lora-sequential", 1, "20news-3", right),
            ("lora-sequential", 2, "subjectivity", same),
            ("full-replay", 0, "bbc-news", right),
        )
    )
    report = summarise(replace(record, doubtful=doubtful), brief=True)
    assert sentences(report.strategies) == [
        "lora-sequential learned nothing or next to nothing of bbc-news, subjectivity (2 of 12 tests). "
        "On bbc-news (seed 1), it gives the same answer to all 400 test examples."
    ]
    entries = {label: entry["learned_nothing"] for label, entry in report.as_json()["strategies"].items()}
    assert [entry["task"] for entry in entries["lora-sequential"]] == ["bbc-news", "subjectivity"]
    assert entries["full-replay"] == []
    everything = tuple(
        DoubtfulTest(entry.label, seed, 0, task, 0.5, same)
        for entry in record.entries
        for seed in record.seeds
        for task in record.tasks
    )
    whole = summarise(replace(record, doubtful=everything), brief=True)
    (sentence,) = sentences(whole.strategies)
    assert sentence.startswith("Nothing or next to nothing was learned here, by no strategy and of no task.")
    first, *_ = present(whole).blocks
    assert isinstance(first, Paragraph)
    assert first.text == f"! {sentence}", "before all tables"
    blocks = present(report).blocks
    matrices = next(number for number, block in enumerate(blocks) if isinstance(block, Grid))
    warned = next(number for number, block in enumerate(blocks) if isinstance(block, Paragraph) and "!" in block.text)
    assert warned > matrices, "below the scores of each task"
