"""inflora: what a new LoRA reads, and what is kept of a task's inputs, against the definitions in numpy."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from adapter_workbench.experiments.strategies import STRATEGIES
from adapter_workbench.experiments.strategies._branches import NOW
from adapter_workbench.experiments.strategies._pairs import pairs
from adapter_workbench.experiments.strategies._remedied import learner_of
from adapter_workbench.experiments.strategies.inflora import Space, fill, load_spaces, save_spaces, second_moments
from adapter_workbench.fusion.updates.lora import PREFIX, layers
from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.methods.task import Task
from adapter_workbench.workbench.settings.base import Budget
from tests.conftest import FRUITS, SUBJECTS, make_task
from tests.stages import START, adapted, at, context_for, opened, walk

RANK, SIZE = 2, 12
Matrix = NDArray[np.float64]


@pytest.fixture
def tasks(task: Task, other_task: Task) -> tuple[Task, ...]:
    return task, other_task, make_task("fruits", FRUITS, SUBJECTS)


def moments(seed: int, decay: float) -> Matrix:
    """X Xᵀ ÷ n of inputs whose directions have falling energies."""
    generator = np.random.default_rng(seed)
    inputs = generator.normal(size=(SIZE, SIZE)) @ (
        decay ** np.arange(SIZE)[:, None] * generator.normal(size=(SIZE, 90))
    )
    return np.asarray(inputs @ inputs.T / 90)


def projection(columns: Matrix) -> Matrix:
    return np.asarray(columns @ columns.T)


def in_use(space: Space) -> Matrix:
    """M Mᵀ, whichever basis is kept."""
    inside = projection(space.basis.numpy())
    return np.eye(SIZE) - inside if space.free else inside


def grown(used: Matrix, given: Matrix, threshold: float) -> Matrix:
    """The projection after one more task: directions are added until the rest has at most the share 1 − ε.

    With all directions at hand, by the definition: no basis is kept small, and no dual one.
    """
    left, values, _ = np.linalg.svd(given - used @ given)
    total, count = (np.linalg.svd(given)[1] ** 2).sum(), 0
    while (values[count:] ** 2).sum() > (1 - threshold) * total:
        count += 1
    return used + projection(left[:, :count])


@pytest.mark.parametrize("threshold", [0.5, 0.99, 0.9999])
def test_the_kept_space_is_the_same_whichever_basis_is_kept(threshold: float) -> None:
    space, used, kinds = Space(torch.zeros(SIZE, 0, dtype=torch.float64), free=False), np.zeros((SIZE, SIZE)), []
    for seed in range(6):
        given = moments(seed, 0.6)
        before, used = used, grown(used, given, threshold)
        space = space.grown(torch.from_numpy(given), threshold)
        np.testing.assert_allclose(in_use(space), used, atol=1e-7)
        assert space.basis.shape[1] <= SIZE / 2, "the smaller basis is kept"
        gram = space.basis.T @ space.basis
        torch.testing.assert_close(gram, torch.eye(len(gram), dtype=torch.float64), atol=1e-8, rtol=0)
        assert np.linalg.norm(given - used @ given) ** 2 <= (1 - threshold) * np.linalg.norm(given) ** 2 + 1e-9
        assert np.linalg.norm(used @ before - before) < 1e-7, "nothing is given up"
        kinds.append(space.free)
    assert kinds == sorted(kinds), "once the free directions are kept, they stay kept"
    assert kinds[-1] or threshold == 0.5, "else only one basis is shown"


def test_spaces_are_read_as_they_were_written(tmp_path: Path) -> None:
    basis = torch.linalg.qr(torch.randn(SIZE, 3, dtype=torch.float64)).Q
    spaces = {
        "a.b": Space(basis, free=False),
        "a.c": Space(basis[:, :1], free=True),
        "d": Space(basis[:, :0], free=True),
    }
    save_spaces(spaces, tmp_path)
    again = load_spaces(tmp_path)
    assert {name: space.free for name, space in again.items()} == {"a.b": False, "a.c": True, "d": True}
    for name, space in spaces.items():
        torch.testing.assert_close(again[name].basis, space.basis, atol=1e-7, rtol=0)


@pytest.mark.parametrize("threshold", [0.6, 0.98])
def test_a_new_lora_reads_nothing_of_what_earlier_tasks_use(
    threshold: float, backbone: Backbone, tasks: tuple[Task, ...], budget: Budget, tmp_path: Path
) -> None:
    """After training too: ΔW of the new task gives 0 for every input inside the kept space."""
    strategy = STRATEGIES.get("inflora")
    settings, adaptation = strategy.settings(threshold=threshold), adapted("lora", backbone, rank=RANK)
    context = context_for(adaptation, budget.model_copy(update={"epochs": 2}), tasks, tmp_path, settings)
    states = walk(strategy, context, tmp_path)
    for before, state in zip([None, *states[:-1]], states, strict=True):
        body = strategy.model_for(state, tasks[0], at(context, states.index(state) + 1)).body
        spaces = load_spaces(before.existing) if before else {}
        for name, layer in layers(body).items():
            a, b = layer.lora_A[NOW].weight[-RANK:].double(), layer.lora_B[NOW].weight[:, -RANK:].double()
            assert b.abs().max() > 1e-3 or not a.any(), "B has learned"
            if not before:
                torch.testing.assert_close(a @ a.T, torch.eye(RANK, dtype=torch.float64) / 3, atol=1e-6, rtol=0)
                continue
            space = spaces[name]
            kept = torch.eye(len(space.basis), dtype=torch.float64)
            kept = kept - space.without(kept)  # M Mᵀ
            assert 0 < kept.trace() < len(kept)
            assert (a @ kept).abs().max() < 1e-6
            assert (b @ a @ kept).abs().max() < 1e-6 * max(1.0, float(b.abs().max()))
            assert (a @ (torch.eye(len(kept), dtype=torch.float64) - kept)).abs().max() > 0.01, "it reads the rest"


def test_rows_are_the_first_singular_vectors_of_what_is_free(
    backbone: Backbone, tasks: tuple[Task, ...], budget: Budget, tmp_path: Path
) -> None:
    strategy, budget = STRATEGIES.get("inflora"), budget.model_copy(update={"epochs": 1})
    settings, adaptation = strategy.settings(threshold=0.6), adapted("lora", backbone, rank=RANK)
    context = context_for(adaptation, budget, tasks[:2], tmp_path, settings)
    (state,) = walk(strategy, at(context, 1), tmp_path)
    stage = opened(strategy, context, state)
    strategy.prepare(stage)
    spaces, new = load_spaces(state.existing), pairs(stage.model.body)
    for name, given in second_moments(learner_of(stage), new).items():
        space, weight = spaces[name.removeprefix(PREFIX)], new[name].a.detach().double().numpy()
        basis = space.basis.numpy()
        inside = projection(basis) @ given.numpy()
        left, _, _ = np.linalg.svd(inside if space.free else given.numpy() - inside)
        expected = left[:, :RANK].T / math.sqrt(3)
        np.testing.assert_allclose(weight.T @ weight, expected.T @ expected, atol=1e-5)


def test_second_moments_are_those_of_each_text_by_itself(
    backbone: Backbone, task: Task, budget: Budget, tmp_path: Path
) -> None:
    """Texts of several lengths: a padded token would be counted."""
    strategy = STRATEGIES.get("inflora")
    words = [text.split()[: 1 + index % 4] for index, text in enumerate(task.splits["train"]["text"][:])]
    rows = task.splits["train"].remove_columns("text").add_column("text", [" ".join(sentence) for sentence in words])
    given = replace(task, splits={**task.splits, "train": rows})
    context = context_for(adapted("lora", backbone, rank=RANK), budget, (given,), tmp_path, strategy.settings())
    stage = opened(strategy, context, START)
    chosen = pairs(stage.model.body)
    moments, seen = second_moments(learner_of(stage), chosen), {name: list[torch.Tensor]() for name in chosen}
    for name in chosen:
        module = stage.model.body.get_submodule(name)
        module.register_forward_pre_hook(lambda _, inputs, name=name: seen[name].append(inputs[0].squeeze(0).double()))
    lengths = set()
    for text in stage.task.splits["train"]["text"][:]:
        batch = backbone.tokenizer(text, return_tensors="pt", truncation=True, max_length=budget.max_length)
        lengths.add(batch["input_ids"].shape[1])
        with torch.no_grad():
            stage.model.features(**batch)
    assert len(lengths) > 1
    for name, tokens in seen.items():
        inputs = torch.cat(tokens)
        torch.testing.assert_close(moments[name], inputs.T @ inputs / len(inputs), rtol=1e-4, atol=1e-5)


def test_only_b_and_the_head_are_trained(backbone: Backbone, task: Task, budget: Budget, tmp_path: Path) -> None:
    strategy = STRATEGIES.get("inflora")
    context = context_for(adapted("lora", backbone, rank=RANK), budget, (task,), tmp_path, strategy.settings())
    stage = opened(strategy, context, START)
    strategy.prepare(stage)
    trained = stage.model.trainable()
    assert {name.split(".")[-3] if ".lora_" in name else "head" for name in trained} == {"lora_B", "head"}


def test_a_lora_of_more_rows_than_free_directions_has_zeros(
    backbone: Backbone, task: Task, budget: Budget, tmp_path: Path
) -> None:
    strategy = STRATEGIES.get("inflora")
    context = context_for(adapted("lora", backbone, rank=8), budget, (task,), tmp_path, strategy.settings())
    weight = next(iter(pairs(opened(strategy, context, START).model.body).values())).a
    size = weight.shape[1]
    free = torch.eye(size, dtype=torch.float64)[:, :3]
    fill(weight, Space(free, free=True), torch.eye(size, dtype=torch.float64))
    weight = weight.detach()
    assert not weight[:, 3:].any()
    assert torch.linalg.matrix_rank(weight) == 3
