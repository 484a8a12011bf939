"""Several strengths of a remedy: which one is kept, and what it is chosen on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from datasets import Dataset
from pydantic import ValidationError

from adapter_workbench.experiments.strategies import STRATEGIES, Context
from adapter_workbench.workbench.answering.evaluation import evaluate
from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.files.digest import digest
from adapter_workbench.workbench.methods.task import Task
from adapter_workbench.workbench.settings.base import Budget
from tests.stages import START, adapted, at, context_for, walk

STRENGTHS = (0.0, 30.0, 1e6)


def with_strength(context: Context, *strengths: float) -> Context:
    return replace(context, settings=STRATEGIES.get("ewc").settings(strength=strengths, examples=16))


def poisoned(task: Task) -> Task:
    """The same task, its test split of other texts with the wrong labels."""
    rows = task.splits["test"]
    wrong = {"id": rows["id"][:], "text": ["quite"] * len(rows), "label": [1 - label for label in rows["label"][:]]}
    return replace(task, splits={**task.splits, "test": Dataset.from_dict(wrong)})


def test_chosen_strength_is_best_on_validation_over_all_tasks_so_far(
    backbone: Backbone, task: Task, other_task: Task, budget: Budget, tmp_path: Path
) -> None:
    strategy = STRATEGIES.get("ewc")
    tasks = (task, other_task)
    context = context_for(adapted("full", backbone), budget, tasks, tmp_path)
    (before,) = walk(strategy, with_strength(at(context, 1), 1.0), tmp_path / "begin")
    standings, bodies = {}, {}
    for strength in STRENGTHS:
        folder, own = tmp_path / str(strength), with_strength(context, strength)
        folder.mkdir()
        record = strategy.learn(before, own, folder)
        assert (record.trials, record.chosen) == (1, {"strength": strength})
        state = replace(before, folder=folder)
        scores = [
            evaluate(
                strategy.model_for(state, seen_task, own), seen_task.splits["validation"], 2, backbone.tokenizer, 16
            ).scores["accuracy"]
            for seen_task in tasks
        ]
        standings[strength], bodies[strength] = sum(scores) / 2, digest(folder / "body")
    assert len(set(standings.values())) > 1, "else nothing is shown"
    best = max(STRENGTHS, key=standings.__getitem__)  # the first of equals
    for name, order, given in (("all", STRENGTHS, tasks), ("poisoned", STRENGTHS, tuple(map(poisoned, tasks)))):
        (tmp_path / name).mkdir()
        several = replace(with_strength(context, *order), tasks=given)
        record = strategy.learn(before, several, tmp_path / name)
        assert (record.trials, record.chosen) == (3, {"strength": best}), standings
        assert digest(tmp_path / name / "body") == bodies[best], "test examples play no part"


def test_stage_to_which_the_remedy_adds_nothing_is_learned_once(
    backbone: Backbone, task: Task, budget: Budget, tmp_path: Path
) -> None:
    context = context_for(adapted("full", backbone), budget, (task,), tmp_path)
    searches = {}
    for name in ("ewc", "l2-to-start"):
        (tmp_path / name).mkdir()
        strategy = STRATEGIES.get(name)
        own = replace(context, settings=strategy.settings(strength=(0.0, 0.1)))
        record = strategy.learn(START, own, tmp_path / name)
        searches[name] = record.trials, bool(record.chosen)
    assert searches == {"ewc": (1, False), "l2-to-start": (2, True)}


@pytest.mark.parametrize("name", ["ewc", "lwf", "der-plus-plus", "o-lora", "hypernetwork"])
def test_nothing_is_added_at_the_first_stage(name: str) -> None:
    strategy, settings = STRATEGIES.get(name), STRATEGIES.get(name).settings(strength=(1.0, 2.0))
    assert [list(strategy.strengths(settings, stage)) for stage in (1, 2)] == [[None], [1.0, 2.0]]


def test_nothing_is_added_where_the_network_is_frozen() -> None:
    strategy = STRATEGIES.get("hypernetwork")
    assert list(strategy.strengths(strategy.settings(trains="embedding"), 2)) == [None]


def test_strengths_of_tasks_of_several_kinds_are_compared_kind_by_kind(
    llama: Path, copying: Task, task: Task, budget: Budget, tmp_path: Path
) -> None:
    from adapter_workbench.workbench.backbone.names import open_backbone

    strategy, backbone = STRATEGIES.get("ewc"), open_backbone(str(llama))
    budget = budget.model_copy(update={"epochs": 1})
    context = context_for(adapted("full", backbone), budget, (task, copying), tmp_path)
    walk(strategy, with_strength(context, 0.0, 1.0), tmp_path)


@pytest.mark.parametrize("strength", [(), -1.0, (1.0, -1.0)])
def test_strengths_are_some_and_not_negative(strength: object) -> None:
    for name in ("ewc", "lwf", "l2-to-start", "der-plus-plus", "o-lora", "hypernetwork"):
        with pytest.raises(ValidationError):
            STRATEGIES.get(name).settings(strength=strength)
