"""How each scenario poses its tasks, and what becomes of the heads."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from adapter_workbench.experiments.scenarios import SCENARIOS
from adapter_workbench.experiments.strategies import STRATEGIES
from adapter_workbench.experiments.strategies._heads import head_for
from adapter_workbench.experiments.studies.stream.plan.plan import make_plan
from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.methods.task import Task
from adapter_workbench.workbench.settings.base import Budget, read
from tests.conftest import FRUITS, SUBJECTS, make_task
from tests.messages import naming
from tests.stages import START, adapted, at, context_for, opened, walk
from tests.streams import write_recipe


@pytest.fixture
def tasks(task: Task, other_task: Task) -> tuple[Task, ...]:
    return task, other_task, make_task("fruits", FRUITS, SUBJECTS)


def test_class_incremental_labels_stand_side_by_side(tasks: tuple[Task, ...]) -> None:
    scenario = SCENARIOS.get("class-incremental")
    two, three = scenario.posed(tasks[:2]), scenario.posed(tasks)
    all_labels = [f"{task.name}: {label}" for task in tasks for label in task.labels]
    assert {task.labels for task in three} == {tuple(all_labels)}
    assert two[0].labels == three[0].labels[:4], "old labels keep their places"
    for index, (task, posed) in enumerate(zip(tasks, three, strict=True)):
        for split, rows in task.splits.items():
            assert posed.splits[split]["label"][:] == [2 * index + label for label in rows["label"][:]]
            assert posed.splits[split]["text"][:] == rows["text"][:]
    prints = [version.fingerprint for version in (*tasks, *two, *three)]
    assert len(set(prints)) == len(prints), "each is another question"
    assert [version.fingerprint for version in scenario.posed(tasks)] == [version.fingerprint for version in three]


def test_other_scenarios_ask_tasks_as_they_are(tasks: tuple[Task, ...]) -> None:
    for name in ("task-incremental", "domain-incremental", "blurry"):
        assert SCENARIOS.get(name).posed(tasks) == tasks


def test_objections_name_the_task(tasks: tuple[Task, ...], copying: Task) -> None:
    domain, classes = SCENARIOS.get("domain-incremental"), SCENARIOS.get("class-incremental")
    assert domain.objection(tasks) is None
    assert classes.objection(tasks) is None
    swapped = replace(tasks[1], labels=tasks[1].labels[::-1])
    assert "'halves' has the labels second, first" in str(domain.objection((tasks[0], swapped)))
    assert "'copying' has no labels" in str(domain.objection((copying,)))
    assert "'copying' has no labels" in str(classes.objection((*tasks, copying)))
    assert SCENARIOS.get("task-incremental").objection((*tasks, copying)) is None


def test_only_classification_tasks_overlap(tasks: tuple[Task, ...]) -> None:
    blurry, domain = SCENARIOS.get("blurry"), SCENARIOS.get("domain-incremental")
    assert blurry.objection(tasks) is None
    for kind in ("multilabel", "token-classification"):
        others = (tasks[0], replace(tasks[1], kind=kind))
        assert f"{tasks[1].name!r} is a {kind} task, and only classification" in str(blurry.objection(others))
        assert domain.objection(others) is None


def test_recipe_whose_labels_differ_is_refused(bert: Path, tmp_path: Path) -> None:
    document = read(write_recipe(tmp_path, bert))
    for path in (tmp_path / "tasks").glob("fruits-*.csv"):
        path.write_text(path.read_text().replace(",first", ",primo").replace(",second", ",secondo"))
    changes = ["scenario=domain-incremental", "strategies={one: {strategy: sequential, method: full}}", "reference=one"]
    with pytest.raises(InputError, match=naming("domain-incremental: 'fruits' ", "primo, secondo")):
        make_plan(document.set(changes), [tmp_path / "tasks"])


@pytest.mark.parametrize(("scenario", "overlap"), [("blurry", 0.3), ("blurry", 0.5), ("domain-incremental", None)])
def test_stages_of_a_blurry_stream_bring_examples_of_other_tasks(
    scenario: str, overlap: float | None, bert: Path, tmp_path: Path
) -> None:
    changes = [f"scenario={scenario}", "strategies={one: {strategy: sequential, method: full}}", "reference=one"]
    changes += [f"overlap={overlap}"] if overlap == 0.5 else []
    plan = make_plan(read(write_recipe(tmp_path, bert)).set(changes), [tmp_path / "tasks"])
    assert plan.recipe.overlap == overlap
    for task in plan.tasks:
        owners = [name.partition("/")[0] for name in task.splits["train"]["id"][:]] if overlap else [task.name]
        own = owners.count(task.name) / len(owners)
        assert own == pytest.approx(1 - (overlap or 0), abs=0.03)
        assert task.splits["test"]["id"][:] == [name for name in task.splits["test"]["id"][:] if "/" not in name]


@pytest.mark.parametrize(
    ("strategy", "message"),
    [
        ("{strategy: ewc, method: full}", "where a task ends"),
        ("{strategy: der-plus-plus, method: full, policy: reservoir}", "where a task ends"),
        ("{strategy: replay, method: full}", "policy: balanced"),
        ("{strategy: isolated, method: lora, router: prototype}", "where one begins"),
    ],
)
def test_what_goes_by_tasks_is_refused_where_they_blur(strategy: str, message: str, bert: Path, tmp_path: Path) -> None:
    document = read(write_recipe(tmp_path, bert))
    with pytest.raises(InputError, match=message):
        make_plan(document.set(["scenario=blurry", f"strategies={{one: {strategy}}}", "reference=one"]), [])


def test_tasks_overlap_only_where_they_blur(bert: Path, tmp_path: Path) -> None:
    document = read(write_recipe(tmp_path, bert))
    with pytest.raises(InputError, match=naming("overlap", "task-incremental")) as refused:
        make_plan(document.set(["overlap=0.2"]), [tmp_path / "tasks"])
    assert "take scenario: blurry" in str(refused.value)


def test_head_grows_and_keeps_what_it_knows(
    backbone: Backbone, tasks: tuple[Task, ...], budget: Budget, tmp_path: Path
) -> None:
    strategy, budget = STRATEGIES.get("sequential"), budget.model_copy(update={"epochs": 1})
    context = context_for(adapted("full", backbone), budget, tasks, tmp_path, scenario="class-incremental")
    states = walk(strategy, at(context, 2), tmp_path)
    sizes = []
    for state in states:
        assert state.folder
        assert [path.name for path in (state.folder / "heads").iterdir()] == ["all.safetensors"]
        sizes.append(len(load_file(state.folder / "heads" / "all.safetensors")["weight"]))
    assert sizes == [2, 4]
    state = states[-1]
    assert state.folder
    old = load_file(state.folder / "heads" / "all.safetensors")
    grown = head_for(context, state, context.posed[-1])
    fresh = context.adaptation.fresh_head("classification", 6, context.seed)
    for name, stored in old.items():
        assert torch.equal(grown.get_parameter(name)[:4], stored)
        assert torch.equal(grown.get_parameter(name)[4:], fresh.get_parameter(name)[4:])
    assert opened(strategy, context, state).model.head.get_parameter("weight").shape == (6, 32)
    early = strategy.model_for(state, tasks[0], at(context, 2)).head
    assert early.get_parameter("weight").shape == (4, 32), "an early task is asked with all labels known"


def test_heads_of_different_tasks_begin_differently(
    backbone: Backbone, tasks: tuple[Task, ...], budget: Budget, tmp_path: Path
) -> None:
    context = at(context_for(adapted("full", backbone), budget, tasks, tmp_path), 3)
    heads = [head_for(context, START, task).get_parameter("weight").flatten() for task in context.posed[:2]]
    assert torch.cosine_similarity(*heads, dim=0).abs() < 0.9
    again = head_for(context, START, context.posed[0]).get_parameter("weight")
    assert torch.equal(again.flatten(), heads[0]), "the seed and the task's name decide"


def test_one_head_goes_on_where_the_labels_are_the_same(
    backbone: Backbone, tasks: tuple[Task, ...], budget: Budget, tmp_path: Path
) -> None:
    strategy, budget = STRATEGIES.get("replay"), budget.model_copy(update={"epochs": 1})
    settings = strategy.settings(memory=8)
    context = context_for(adapted("full", backbone), budget, tasks, tmp_path, settings, "domain-incremental")
    (state,) = walk(strategy, at(context, 1), tmp_path)
    assert state.folder
    stored, stage = load_file(state.folder / "heads" / "all.safetensors"), opened(strategy, at(context, 2), state)
    assert all(torch.equal(stage.model.head.get_parameter(name), tensor) for name, tensor in stored.items())
    lesson = strategy.lesson(stage)
    assert lesson.labels == tasks[0].labels
    assert "group" not in lesson.splits["train"].column_names
    assert set(np.asarray(lesson.splits["train"]["label"][:])) == {0, 1}


@pytest.mark.parametrize("scenario", ["task-incremental", "domain-incremental", "class-incremental"])
def test_joint_learns_all_rows_of_all_tasks(
    scenario: str, backbone: Backbone, tasks: tuple[Task, ...], budget: Budget, tmp_path: Path
) -> None:
    strategy = STRATEGIES.get("joint")
    budget = budget.model_copy(update={"train_examples": 20})
    context = context_for(adapted("full", backbone), budget, tasks, tmp_path, None, scenario)
    stage = opened(strategy, context, START)
    lesson = strategy.lesson(stage)
    for split, count in (("train", 20), ("validation", 16)):
        names = [name.partition("/")[0] for name in lesson.splits[split]["id"][:]]
        assert names == [task.name for task in tasks for _ in range(count)]
    labels = {"task-incremental": 6, "domain-incremental": 2, "class-incremental": 6}[scenario]
    assert len(lesson.labels) == labels
    assert len(stage.heads) == (3 if scenario == "task-incremental" else 1)
    assert max(lesson.splits["train"]["label"][:]) == labels - 1
