"""merged with ``pair: trial``: of the pairs that are tried, which one validation examples choose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from adapter_workbench.experiments.strategies import STRATEGIES, Context, State
from adapter_workbench.experiments.strategies import _trials as trials_file
from adapter_workbench.experiments.strategies import merged as strategy_file
from adapter_workbench.experiments.strategies._groups import groups_in
from adapter_workbench.experiments.strategies._trials import MergeTrial, cheapest
from adapter_workbench.experiments.strategies.merged import MergedSettings
from adapter_workbench.experiments.workspace.evaluating import validation_score
from adapter_workbench.workbench.answering.evaluation import evaluate
from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.methods.model import TaskModel
from adapter_workbench.workbench.methods.task import Task
from adapter_workbench.workbench.settings.base import Budget
from tests.stages import adapted, context_for, walk

STRATEGY = STRATEGIES.get("merged")
ALL = 3  # pairs of three LoRAs


@pytest.fixture
def tasks(task: Task, other_task: Task) -> tuple[Task, ...]:
    """Three tasks; the third has the texts of the first under the opposite labels."""

    def swapped(row: Mapping[str, Any]) -> dict[str, Any]:
        return {"label": len(task.labels) - 1 - row["label"]}

    turned = {name: rows.map(swapped) for name, rows in task.splits.items()}
    third = replace(task, name="turned", splits=turned, fingerprint=f"{task.fingerprint} turned")
    return task, other_task, third


def context(backbone: Backbone, tasks: tuple[Task, ...], budget: Budget, folder: Path, **settings: Any) -> Context:
    return context_for(adapted("lora", backbone), budget, tasks, folder, MergedSettings(**settings))


def validation(state: State, context: Context, names: tuple[str, ...]) -> list[float]:
    """Return what the models that a state answers with score on validation examples."""
    scores = []
    for task in (task for task in context.drawn if task.name in names):
        model, tokenizer = STRATEGY.model_for(state, task, context), context.adaptation.backbone.tokenizer
        rows, labels = task.splits["validation"], len(task.labels)
        scores.append(evaluate(model, rows, labels, tokenizer, context.budget.max_length).scores["accuracy"])
    return scores


def made(context: Context, monkeypatch: pytest.MonkeyPatch, pair: tuple[int, int], folder: Path) -> float:
    """Return what the tasks of a pair lose in the mean where that pair is merged, measured on the states themselves."""
    kept = replace(context, settings=MergedSettings(keep=3))
    names = tuple(context.tasks[index].name for index in pair)
    before = validation(walk(STRATEGY, kept, folder / "kept")[-1], kept, names)
    with monkeypatch.context() as patched:
        patched.setattr(strategy_file, "ranked_pairs", lambda *_: [pair])
        merging = replace(context, settings=MergedSettings(keep=2, pair="oldest"))
        after = validation(walk(STRATEGY, merging, folder / "made")[-1], merging, names)
    return sum(a - b for a, b in zip(before, after, strict=True)) / 2


def test_the_merge_that_costs_least_on_validation_is_made(
    backbone: Backbone, tasks: tuple[Task, ...], budget: Budget, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = context(backbone, tasks, budget, tmp_path, keep=2, pair="trial", tries=ALL)
    costs = {
        pair: made(given, monkeypatch, pair, tmp_path / "-".join(map(str, pair))) for pair in combinations(range(3), 2)
    }
    assert len(set(costs.values())) == ALL, "there is something to choose"
    monkeypatch.setattr(strategy_file, "ranked_pairs", lambda *_: sorted(costs, key=lambda pair: -costs[pair]))
    *_, state = walk(STRATEGY, given, tmp_path / "trial")
    (merged,) = (group for group in groups_in(state.existing).groups if len(group.tasks) == 2)
    names = [task.name for task in tasks]
    first, second = (names.index(name) for name in merged.tasks)
    assert costs[first, second] == min(costs.values())
    entries = {path.name for path in state.existing.iterdir()}
    assert entries == {"adapters", "heads", "groups.json"}, "nothing stays of what was only tried"


def test_one_try_is_the_most_alike_pair_and_reads_no_test_example(
    backbone: Backbone, tasks: tuple[Task, ...], budget: Budget, tmp_path: Path
) -> None:
    untested = tuple(
        replace(task, splits={**task.splits, "test": task.splits["test"].select([])}, fingerprint=f"{task.name} alone")
        for task in tasks
    )
    given = context(backbone, untested, budget, tmp_path, keep=2, pair="trial", tries=1)
    *_, state = walk(STRATEGY, given, tmp_path)
    *_, cosine = walk(STRATEGY, replace(given, settings=MergedSettings(keep=2)), tmp_path / "cosine")
    assert groups_in(state.existing).groups == groups_in(cosine.existing).groups
    for task in untested:
        assert STRATEGY.identity(state, task, given) == STRATEGY.identity(cosine, task, given)


def test_a_task_in_several_tried_pairs_is_asked_once_as_it_was(
    backbone: Backbone, tasks: tuple[Task, ...], budget: Budget, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def counted(model: TaskModel, task: Task, *rest: Any) -> float:
        asked.append(len(task.splits["validation"]))
        return validation_score(model, task, *rest)

    monkeypatch.setattr(trials_file, "validation_score", counted)
    given = context(backbone, tasks, budget, tmp_path, keep=2, pair="trial", tries=ALL)
    walk(STRATEGY, given, tmp_path)
    shown = [len(task.splits["validation"]) for task in given.drawn]
    assert sum(asked) == 3 * sum(shown), "once before, and in two of three merges"


@pytest.mark.parametrize(
    ("most", "chosen"),
    [
        (None, (0, 1)),  # least in the mean, though one of its tasks loses 3 points
        (3.0, (0, 1)),
        (2.0, (1, 2)),  # no task loses more than 2 points
        (1.9, (2, 3)),
        (0.5, (0, 1)),  # each tried merge costs some task more: the cheapest is made, since K is kept
    ],
)
def test_a_bound_on_one_tasks_loss_leaves_costlier_merges_out(most: float | None, chosen: tuple[int, int]) -> None:
    trials = [
        MergeTrial((0, 2), {"a": 0.02, "c": 0.06}),
        MergeTrial((0, 1), {"a": 0.03, "b": -0.01}),
        MergeTrial((1, 2), {"b": 0.01, "c": 0.90 - 0.88}),
        MergeTrial((2, 3), {"c": 0.015, "d": 0.015}),  # as cheap as the one before, and less alike
    ]
    assert cheapest(trials, most).pair == chosen


def test_settings_of_trials_tell_apart_only_trials() -> None:
    assert MergedSettings().model_dump().keys() == {"keep", "pair", "merge", "scale"}
    trial = MergedSettings(pair="trial", most=2)
    assert trial.model_dump(mode="json") == {
        **MergedSettings().model_dump(mode="json"), "pair": "trial", "likeness": "tasks", "tries": 3, "most": 2.0,
    }  # fmt: skip
    assert MergedSettings.model_validate(trial.model_dump(mode="json")) == trial
