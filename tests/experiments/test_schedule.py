"""evaluate_every: auto, by hand: 3 · 100 + 10 passes to learn a task; tests may take 15 ÷ 85 of that, 54.7 a task."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from adapter_workbench.experiments.studies.stream.plan.orders import stages_between_tests
from adapter_workbench.experiments.studies.stream.work.stage_runner import StageRunner
from adapter_workbench.workbench.settings.base import Budget

SPLITS = {"train": range(500), "validation": range(500), "test": range(500)}


def interval(every: Any, tasks: int, test: int = 10) -> int:
    budget = Budget(train_examples=100, eval_examples=test, epochs=1)
    recipe: Any = SimpleNamespace(budget=budget, evaluate_every=every)
    given: Any = [SimpleNamespace(splits=SPLITS)] * tasks
    return stages_between_tests(recipe, given)


@pytest.mark.parametrize(
    ("tasks", "every"),
    [
        (4, 1),  # 1 + 2 + 3 + 4 tests of 10 examples: 100 ≤ 219
        (20, 3),  # every second stage: 1,200 > 1,094; every third: 3 + 6 + … + 18 + 20 + 13 new ones, 960
        (100, 15),
    ],
)
def test_the_smallest_interval_that_leaves_tests_their_share(tasks: int, every: int) -> None:
    assert interval("auto", tasks) == every


def test_where_even_new_tasks_take_more_the_last_stage_alone_is_whole() -> None:
    assert interval("auto", 100, test=100) == 100


def test_a_number_stays_as_it_is() -> None:
    assert interval(3, 100) == 3


def test_a_model_that_changed_at_a_skipped_stage_waits_for_the_next_tests() -> None:
    plan = SimpleNamespace(recipe=SimpleNamespace(evaluate_every=10, probes=()), tasks=range(20), last=20, asked={})
    outcome = SimpleNamespace(cells=[SimpleNamespace(task="tested")])  # of the stage before
    step = SimpleNamespace(stage=12, key="before")
    earlier = SimpleNamespace(plan=plan, planned=step, folders=SimpleNamespace(outcome=lambda *_: outcome))
    planned = SimpleNamespace(stage=13, newest=SimpleNamespace(name="newest"))
    learning: Any = SimpleNamespace(plan=plan, planned=planned, earlier=earlier)
    bench = StageRunner(learning)

    def is_due(name: str, kept: bool) -> bool:
        answering: Any = SimpleNamespace(task=SimpleNamespace(name=name), kept=kept)
        return bench._is_due(answering)

    assert is_due("tested", kept=True), "its score is known"
    assert not is_due("tested", kept=False)
    assert not is_due("merged at stage 12", kept=True), "nobody has tested what became of it"
