"""merged: at most K LoRAs, which of them become one, and what a merge is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from adapter_workbench.experiments.scenarios import SCENARIOS
from adapter_workbench.experiments.strategies import STRATEGIES, Context, State
from adapter_workbench.experiments.strategies._groups import ADAPTERS_FOLDER, Group, groups_in
from adapter_workbench.experiments.strategies._linkage import completed, cosine, linkage
from adapter_workbench.experiments.strategies.merged import MergedSettings, _merges, _weights, ranked_pairs
from adapter_workbench.fusion.methods import COMPOSITIONS
from adapter_workbench.fusion.target.composition import Arithmetic
from adapter_workbench.fusion.updates import lora
from adapter_workbench.fusion.updates.lowrank import LowRank
from adapter_workbench.workbench.answering.evaluation import evaluate
from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.methods.task import Task
from adapter_workbench.workbench.settings.base import Budget
from adapter_workbench.workbench.training import Lesson
from tests.stages import adapted, context_for, walk

STRATEGY = STRATEGIES.get("merged")


@pytest.fixture(scope="module")
def tasks(task: Task, other_task: Task) -> tuple[Task, ...]:
    """Four tasks, of which two and two have the same data."""
    again = (replace(task, name="animals-again"), replace(other_task, name="fruits-again"))
    return (task, other_task, *(replace(twin, fingerprint=f"{twin.fingerprint} again") for twin in again))


def context(backbone: Backbone, tasks: tuple[Task, ...], budget: Budget, folder: Path, **settings: Any) -> Context:
    few = budget.model_copy(update={"epochs": 2})
    return context_for(adapted("lora", backbone), few, tasks, folder, MergedSettings(**settings))


@pytest.fixture(scope="module")
def kept_two(
    backbone: Backbone, tasks: tuple[Task, ...], budget: Budget, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Context, list[State]]:
    """What is given where two LoRAs are kept, and the states after each of the four tasks."""
    folder = tmp_path_factory.mktemp("kept two")
    given = context(backbone, tasks, budget, folder, keep=2)
    return given, walk(STRATEGY, given, folder)


def updates_in(state: State) -> list[Any]:
    return [lora.read(state.existing / ADAPTERS_FOLDER / group.folder) for group in groups_in(state.existing).groups]


def test_no_more_loras_are_kept_than_are_asked_for(
    tasks: tuple[Task, ...], kept_two: tuple[Context, list[State]]
) -> None:
    _, states = kept_two
    assert [len(groups_in(state.existing).groups) for state in states] == [1, 2, 2, 2]
    for state, learned in zip(states, (1, 2, 3, 4), strict=True):
        groups = groups_in(state.existing).groups
        assert sorted(name for group in groups for name in group.tasks) == sorted(task.name for task in tasks[:learned])
        folders = {path.name for path in (state.existing / ADAPTERS_FOLDER).iterdir()}
        assert folders == {group.folder for group in groups}
        assert len(list((state.existing / "heads").iterdir())) == learned, "every task keeps its head"


def test_only_what_is_merged_changes(
    backbone: Backbone, tasks: tuple[Task, ...], budget: Budget, tmp_path: Path
) -> None:
    given = context(backbone, tasks[:3], budget, tmp_path, keep=2, pair="oldest")
    _, second, third = walk(STRATEGY, given, tmp_path)
    shared = [group.tasks for group in groups_in(third.existing).groups]
    assert shared == [(tasks[0].name, tasks[1].name), (tasks[2].name,)]
    for task in tasks[:2]:
        assert STRATEGY.identity(second, task, given) != STRATEGY.identity(third, task, given)
    first_lora, second_lora = updates_in(second)
    merged, _ = updates_in(third)
    for name, pair in merged.items():
        mean = (first_lora[name].b @ first_lora[name].a + second_lora[name].b @ second_lora[name].a) / 2
        product = pair.b @ pair.a
        assert pair.rank <= first_lora[name].rank
        left, values, right = torch.linalg.svd(mean)
        best = left[:, : pair.rank] * values[: pair.rank] @ right[: pair.rank]
        torch.testing.assert_close(product, best, atol=1e-5, rtol=1e-4)


def test_with_room_for_all_it_is_isolated(
    backbone: Backbone, tasks: tuple[Task, ...], budget: Budget, tmp_path: Path
) -> None:
    given = context(backbone, tasks[:2], budget, tmp_path, keep=2)
    *_, state = walk(STRATEGY, given, tmp_path)
    isolated = STRATEGIES.get("isolated")
    other = replace(given, settings=isolated.settings())
    *_, apart = walk(isolated, other, tmp_path / "isolated")
    for task in tasks[:2]:
        digests = [
            evaluate(model, task.splits["test"], 2, backbone.tokenizer, budget.max_length).logits_sha256
            for model in (STRATEGY.model_for(state, task, given), isolated.model_for(apart, task, other))
        ]
        assert digests[0] == digests[1]


def test_a_running_average_weighs_each_task_the_same(
    backbone: Backbone, tasks: tuple[Task, ...], budget: Budget, tmp_path: Path
) -> None:
    given = context(backbone, tasks[:3], budget, tmp_path, keep=1, merge="sum")
    *_, state = walk(STRATEGY, given, tmp_path)
    (merged,) = updates_in(state)
    apart = [lora.read(path) for path in sorted(given.workspace.adapters.root.iterdir()) if path.is_dir()]
    assert len(apart) == 3
    for name, pair in merged.items():
        mean = sum(source[name].b @ source[name].a for source in apart) / 3
        torch.testing.assert_close(pair.b @ pair.a, mean, atol=1e-5, rtol=1e-4)


NEUTRAL = {"density": 1.0, "lower": 0.0, "upper": 1.0, "scale": 1.0, "eta": 1.0, "beta": 1.0, "common": 1.0}
DROPPED = {"dare": {"drop": 0.0}, "dare-ties": {"drop": 0.0}, "della": {"drop": 1e-6, "window": 0.0}}


@pytest.mark.parametrize("name", _merges())
@pytest.mark.parametrize("counts", [(1, 1), (3, 1)])
def test_two_equal_loras_become_that_lora(name: str, counts: tuple[int, int]) -> None:
    """With all singular values equal, which methods that level them leave; nothing is trimmed or dropped."""
    generator = torch.Generator().manual_seed(0)
    b, a = (torch.linalg.qr(torch.randn(size, 3, generator=generator)).Q for size in (12, 9))
    card = COMPOSITIONS.get(name)
    fitting = {setting: value for setting, value in NEUTRAL.items() if setting in card.settings.model_fields}
    settings = card.settings(**fitting, **DROPPED.get(name, {}))
    assert isinstance(card.compose, Arithmetic)
    same = {"layer": LowRank(b, a.T)}
    merged = card.compose.merge([same, same], _weights(MergedSettings(merge=name), counts), settings, 0).update["layer"]
    torch.testing.assert_close(merged.b @ merged.a, b @ a.T, atol=1e-4, rtol=1e-4)


def test_what_added_before_has_the_weights_and_the_keys_that_it_had() -> None:
    for name in _merges():
        settings = MergedSettings(merge=name, scale=2)
        if STRATEGY.revision(settings) == 1:
            assert _weights(settings, (3, 1)) == [2 * 3 / 4, 2 * 1 / 4]
    added = "breadcrumbs cat dare iso-c iso-cts magnitude model-stock nuslerp slerp star subspace-boosting sum svd"
    assert [name for name in _merges() if STRATEGY.revision(MergedSettings(merge=name)) == 1] == added.split()


def update(*entries: float) -> dict[str, LowRank]:
    return {"layer": LowRank(torch.tensor([[entry] for entry in entries]), torch.tensor([[1.0, 2.0]]))}


@pytest.mark.parametrize(
    ("rule", "pair"),
    [
        ("cosine", (1, 3)),  # the second and the fourth point the same way
        ("sign-conflict", (1, 3)),
        ("oldest", (0, 1)),
        ("fewest", (1, 2)),
    ],
)
def test_the_rule_says_which_two_become_one(rule: Any, pair: tuple[int, int]) -> None:
    updates = [update(1, 0, 0.1), update(0, 1, -0.5), update(-1, -0.5, 0), update(0, 2, -1)]
    groups = [Group(("a", "b", "c"), "1"), Group(("d",), "2"), Group(("e",), "3"), Group(("f", "g"), "4")]
    assert ranked_pairs(rule, groups, updates)[0] == pair


def test_the_newest_joins_the_one_that_it_is_most_like() -> None:
    updates = [update(1, 0), update(1, 0.1), update(0, 1)]
    groups = [Group((name,), name) for name in "abc"]
    assert ranked_pairs("cosine", groups, updates)[0] == (0, 1)
    assert ranked_pairs("newest", groups, updates) == [(1, 2), (0, 2)]


def test_tasks_that_are_all_equally_alike_do_not_end_in_one_lora() -> None:
    """Sixty LoRAs are a common one and noise of their own: every two have about the same cosine, 0.2.

    cos(new, mean of n) grows with √n: by the cosine of merged LoRAs the first group that has two takes the rest.
    """
    generator = torch.Generator().manual_seed(0)
    shared = torch.randn(16, 4, generator=generator)
    own = {
        f"{index}": {"layer": LowRank(0.5 * shared + torch.randn(16, 4, generator=generator), torch.eye(4))}
        for index in range(60)
    }

    def sizes(rule: Any, linked: bool) -> list[int]:
        groups, updates = [], []
        cosines = completed({}, [*own], own.__getitem__) if linked else None
        for name, alone in own.items():
            groups.append(Group((name,), name))
            updates.append(alone)
            if len(groups) <= 10:
                continue
            first, second = ranked_pairs(rule, groups, updates, cosines)[0]
            counts = [len(groups[index].tasks) for index in (first, second)]
            mean = sum(count * updates[index]["layer"].b for count, index in zip(counts, (first, second), strict=True))
            groups[first] = Group((*groups[first].tasks, *groups[second].tasks), groups[first].folder)
            updates[first] = {"layer": LowRank(mean / sum(counts), torch.eye(4))}
            del groups[second], updates[second]
        return sorted((len(group.tasks) for group in groups), reverse=True)

    assert sizes("cosine", linked=False) == [51, *[1] * 9]
    assert max(sizes("average-linkage", linked=True)) < 20


def test_linkage_is_the_mean_over_pairs_of_tasks() -> None:
    own = {"a": update(1, 0), "b": update(1, 1), "c": update(0, 1), "d": update(0, 0)}
    cosines = completed({"b": {"a": 0.5}}, [*own], own.__getitem__)
    assert cosines["b"] == {"a": 0.5}, "what is known is not computed again"
    assert cosines["c"] == pytest.approx({"a": 0, "b": 0.5**0.5})
    assert cosines["d"] == {"a": 0, "b": 0, "c": 0}, "a LoRA that changes nothing is like none"
    assert linkage("ab", "cd", cosines) == pytest.approx(0.5**0.5 / 4)


def test_the_merged_loras_of_a_stream_are_linked_by_what_their_tasks_learned(
    tasks: tuple[Task, ...], kept_two: tuple[Context, list[State]]
) -> None:
    given, (*_, state) = kept_two
    groups = groups_in(state.existing)
    lessons = {task.name: Lesson(task, given.adaptation, given.budget, given.seed) for task in tasks}
    own = {name: lora.read(given.workspace.adapters.root / lesson.adapter_id) for name, lesson in lessons.items()}
    for later, row in groups.cosines.items():
        assert row == pytest.approx({earlier: cosine(own[later], own[earlier]) for earlier in row})
    assert [len(row) for row in groups.cosines.values()] == [0, 1, 2, 3]


def test_what_earlier_versions_kept_of_a_rule_is_that_rule() -> None:
    earlier = {"keep": 5, "pair": "cosine", "merge": "svd", "scale": 1.0}  # the default as it was stored
    assert MergedSettings(**earlier).model_dump() == earlier
    trial = MergedSettings(pair="trial", likeness="merged")
    assert MergedSettings(**trial.model_dump()) == trial
    assert MergedSettings().model_dump()["pair"] == "average-linkage"


@pytest.mark.parametrize(
    ("settings", "method", "scenario", "reason"),
    [
        ({}, "pfeiffer", "task-incremental", "needs method lora"),
        ({}, "lora", "class-incremental", "the task is named"),
        ({"merge": "warm-start"}, "lora", "task-incremental", "'warm-start' is none of .*, svd, "),
        ({"merge": "negate"}, "lora", "task-incremental", "'negate' is none of"),
        ({"merge": "slerp", "scale": 2}, "lora", "task-incremental", "scale: 2 changes nothing with merge: slerp"),
        ({"merge": "nuslerp", "scale": 0.5}, "lora", "task-incremental", "scale: 0.5 changes nothing with"),
        ({"most": 2}, "lora", "task-incremental", "most: 2 needs pair: trial"),
    ],
)
def test_what_it_cannot_do_is_refused(settings: Any, method: str, scenario: str, reason: str) -> None:
    objection = STRATEGY.objection(MergedSettings(**settings), method, ["classification"], SCENARIOS.get(scenario))
    assert objection is not None
    with pytest.raises(AssertionError, match=reason):
        raise AssertionError(objection)
