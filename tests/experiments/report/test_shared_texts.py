"""Test examples of several tasks that have one text: found when a stream is planned, drawn together in its report."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from adapter_workbench.experiments.studies.core.shared_texts import shared_texts
from adapter_workbench.experiments.studies.stream.results.comparison import FinalOutcomes
from adapter_workbench.experiments.studies.stream.results.summary import summarise
from adapter_workbench.experiments.studies.updates.report import UpdatesReport
from tests.experiments.report import finished

if TYPE_CHECKING:
    from adapter_workbench.experiments.studies.stream.results.record import Record
    from adapter_workbench.workbench.methods.task import Task
    from adapter_workbench.workbench.settings.base import Budget


def test_texts_that_two_tasks_test_are_numbered(task: Task, other_task: Task, budget: Budget) -> None:
    twin = replace(task, name="twin")
    shared = shared_texts([task, twin], budget)
    assert shared.keys() == {task.name, "twin"}
    assert shared[task.name] == shared["twin"]
    texts = dict(zip(task.splits["test"]["id"][:], task.splits["test"]["text"][:], strict=True))
    for identity, number in shared[task.name].items():
        alike = {texts[other] for other, same in shared[task.name].items() if same == number}
        assert alike == {texts[identity]}
    alone = shared_texts([task], budget).get(task.name, {})
    assert len(alone) < len(shared[task.name])


def test_the_interval_over_examples_takes_them_together(replicated: Record) -> None:
    plain = summarise(replicated)
    (label,) = (entry.label for entry in replicated.entries if entry.label == "isolated")
    report = next(strategy for strategy in plain.strategies if strategy.label == label)
    ids = FinalOutcomes(replicated).of_task(label, report.replications[0], replicated.tasks[0]).index
    same = {str(name): number for number, name in enumerate(ids)}
    clustered = summarise(replace(replicated, shared_texts=dict.fromkeys(replicated.tasks, same)))
    before, after = (
        next(strategy for strategy in found.strategies if strategy.label == label).differences["average_accuracy"]
        for found in (plain, clustered)
    )
    assert before.examples is not None
    assert after.examples is not None
    assert after.examples.mean == before.examples.mean
    assert after.examples != before.examples
    assert after.seeds.values == before.seeds.values
    assert before.estimate
    assert after.estimate
    assert after.shares != before.shares, "what several tasks test counts once in the variance"


def test_an_update_takes_the_rows_of_one_text_together() -> None:
    texts = {task: {f"{task}-{number:02}": number // 2 for number in range(24)} for task in finished.TASKS}
    plain, clustered = finished.of_updates(), finished.of_updates(shared_texts=texts)
    assert isinstance(plain, UpdatesReport)
    assert isinstance(clustered, UpdatesReport)
    before, after = (report.rows[1].differences["score"] for report in (plain, clustered))
    assert before.examples is not None
    assert after.examples is not None
    assert after.examples.mean == before.examples.mean
    assert after.examples != before.examples
    assert after.seeds.values == before.seeds.values
