"""What replay remembers, and how remembered rows are learned again."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from datasets import Dataset
from torch import nn

from adapter_workbench.experiments.strategies import STRATEGIES
from adapter_workbench.experiments.strategies._memory import TASK, Policy, by_task, recall, remember, reservoir, save
from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.methods.task import Task
from adapter_workbench.workbench.settings.base import Budget
from tests.conftest import FRUITS, SUBJECTS, make_task
from tests.stages import START, adapted, at, context_for, opened, walk

SIZES = {"two": (30, 2), "three": (31, 3), "four": (9, 4)}  # rows and labels of each task


def gone_by(policy: Policy, size: int, seed: int = 0) -> list[Dataset]:
    """The memory after each of the tasks."""
    memory, before, memories = None, 0, []
    for name, (rows, labels) in SIZES.items():
        ids = [f"{name}-{row}" for row in range(rows)]
        given = Dataset.from_dict({"id": ids, "label": [row % labels for row in range(rows)]})
        memory = remember(memory, given, name, size, policy, before, seed)
        before += rows
        memories.append(memory)
    return memories


@pytest.mark.parametrize("size", [4, 7, 18])
def test_balanced_memory_has_equally_many_of_each_label_of_each_task(size: int) -> None:
    labels = 0
    for memory, (_, more) in zip(gone_by("balanced", size), SIZES.values(), strict=True):
        labels += more
        counts = Counter(zip(memory[TASK][:], memory["label"][:], strict=True))
        sizes = [counts[key] for key in counts] + [0] * (labels - len(counts))
        assert len(memory) == size
        assert max(sizes) - min(sizes) <= 1
        assert len(set(memory["id"][:])) == size, "no row twice"
        assert all(row["id"].startswith(row[TASK]) for row in memory)


def test_label_with_few_rows_leaves_its_share_to_the_others() -> None:
    memory = gone_by("balanced", 40)[-1]  # 2 + 3 + 4 labels, of the last task 3, 2, 2 and 2 rows
    counts = Counter(zip(memory[TASK][:], memory["label"][:], strict=True))
    assert [counts["four", label] for label in range(4)] == [3, 2, 2, 2]
    assert sorted(counts[key] for key in counts if key[0] != "four") == [6, 6, 6, 6, 7]


def test_what_is_left_over_is_not_always_the_earliest_tasks() -> None:
    """With 4 places for 9 labels each label has a place in 4 of 9 memories: 40 seeds miss one with p < 1e-9."""
    counts = Counter(name for seed in range(40) for name in gone_by("balanced", 4, seed)[-1][TASK][:])
    assert set(counts) == set(SIZES)


@pytest.mark.parametrize(("size", "blocks"), [(12, (10, 20, 30)), (1, (1, 2))])
def test_reservoir_is_a_uniform_sample_of_all_that_went_by(size: int, blocks: tuple[int, ...]) -> None:
    """Each row is kept with p = size ÷ all rows; over 2000 seeds each count lies within 5 standard deviations."""
    seeds = 2000
    counts = np.zeros(sum(blocks))
    for seed in range(seeds):
        kept, before = np.zeros(0, dtype=np.int64), 0
        for rows in blocks:
            places = reservoir(len(kept), rows, size, before, np.random.default_rng([seed, before]))
            kept = np.concatenate([kept, np.arange(before, before + rows)])[places]
            before += rows
            assert len(kept) == len(set(kept)) == min(size, before)
        counts[kept] += 1
    p = size / sum(blocks)
    assert np.abs(counts - seeds * p).max() < 5 * np.sqrt(seeds * p * (1 - p))


def test_memory_draws_with_the_seed() -> None:
    for policy in ("balanced", "reservoir"):
        first, again, other = (gone_by(policy, 12, seed)[-1]["id"][:] for seed in (0, 0, 1))
        assert first == again != other


@pytest.mark.parametrize("policy", ["balanced", "reservoir"])
def test_memory_of_a_stream_holds_training_rows_of_every_task(
    policy: str, backbone: Backbone, task: Task, other_task: Task, budget: Budget, tmp_path: Path
) -> None:
    strategy = STRATEGIES.get("replay")
    budget = budget.model_copy(update={"epochs": 1, "train_examples": 40})
    settings = strategy.settings(memory=16, policy=policy)
    context = context_for(adapted("full", backbone), budget, (task, other_task), tmp_path, settings)
    memories = [recall(state.folder) for state in walk(strategy, context, tmp_path)]
    assert set(by_task(memories[0])) == {"animals"}
    assert set(by_task(memories[1])) == {"animals", "halves"}
    for memory in memories:
        assert memory is not None
        assert len(memory) == 16
        for drawn in context.drawn:
            given = {(row["id"], row["text"], row["label"]) for row in drawn.splits["train"]}
            own = [row for row in memory if row[TASK] == drawn.name]
            assert {(row["id"], row["text"], row["label"]) for row in own} <= given
            if policy == "balanced" and own and memory is memories[1]:
                assert Counter(row["label"] for row in own) == {0: 4, 1: 4}


def test_pairs_and_single_texts_share_a_memory(tmp_path: Path) -> None:
    single = Dataset.from_dict({"id": ["a"], "text": ["cat"], "label": [0]})
    pair = Dataset.from_dict({"id": ["b"], "text": ["dog"], "text_pair": ["pear"], "label": [1]})
    memory = remember(remember(None, single, "one", 4, "balanced", 0, 0), pair, "two", 4, "balanced", 1, 0)
    save(memory, tmp_path)
    again = recall(tmp_path)
    assert again is not None
    assert again.features == memory.features
    parts = by_task(again)
    assert parts["one"]["text_pair"][:] == [None]
    assert parts["two"]["text_pair"][:] == ["pear"]


def test_mixed_rows_are_answered_by_their_own_heads(
    backbone: Backbone, task: Task, other_task: Task, budget: Budget, tmp_path: Path
) -> None:
    """The loss of a mixed batch is the mean of the tasks' own losses, weighted by their rows."""
    third = make_task("fruits", FRUITS, SUBJECTS)
    strategy, budget = STRATEGIES.get("replay"), budget.model_copy(update={"epochs": 1})
    settings = strategy.settings(memory=14)
    context = context_for(adapted("full", backbone), budget, (task, other_task, third), tmp_path, settings)
    *_, state = walk(strategy, at(context, 2), tmp_path)
    stage = opened(strategy, context, state)
    model, tokenizer = stage.model, backbone.tokenizer
    lesson = strategy.lesson(stage)
    rows = lesson.splits["train"]
    assert len(rows) == 14 + len(third.splits["train"])
    assert rows["group"][:] == [0] * 7 + [1] * 7 + [2] * 64
    assert len(lesson.splits["validation"]) == len(third.splits["validation"]), "the epoch is picked on the task alone"
    chosen = rows.select([0, 3, 8, 9, 10, 20, 21, 22])  # 2, 3 and 3 rows of the three tasks

    def batch_of(some: Dataset) -> dict[str, torch.Tensor]:
        batch: dict[str, torch.Tensor] = model.kind.collate(tokenizer)(model.kind.encode(some, tokenizer, 16))
        return batch

    expected = torch.zeros(())
    with torch.no_grad():
        loss = model(**batch_of(chosen))["loss"]
        for index, own_task in enumerate(context.tasks):
            own = chosen.select([i for i, group in enumerate(chosen["group"][:]) if group == index])
            given = batch_of(own.remove_columns("group"))
            head = list(stage.heads.values())[index]
            stored = strategy.model_for(state, own_task, at(context, 2)).head if index < 2 else head
            assert torch.equal(stored.get_parameter("weight"), head.get_parameter("weight"))
            labels = given.pop("labels") - 2 * index  # two labels each
            expected += nn.functional.cross_entropy(stored(model.features(**given)), labels, reduction="sum")
    torch.testing.assert_close(loss, expected / 8)


def test_nothing_is_rehearsed_at_the_first_stage(
    backbone: Backbone, task: Task, budget: Budget, tmp_path: Path
) -> None:
    strategy = STRATEGIES.get("replay")
    context = context_for(adapted("full", backbone), budget, (task,), tmp_path, strategy.settings())
    lesson = strategy.lesson(opened(strategy, context, START))
    assert lesson.splits["train"]["id"][:] == task.splits["train"]["id"][:]
    assert lesson.labels == task.labels
