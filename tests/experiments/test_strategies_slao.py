"""slao: algorithm 1 in numpy over three tasks, and what its control leaves out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from adapter_workbench.experiments.strategies import STRATEGIES, Context, State
from adapter_workbench.experiments.strategies._pairs import pairs
from adapter_workbench.experiments.strategies.slao import Slao, orthonormal
from adapter_workbench.fusion.updates import lora
from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.methods.task import Task
from adapter_workbench.workbench.settings.base import Budget
from tests.conftest import FRUITS, SUBJECTS, make_task
from tests.stages import adapted, context_for, walk

RANK, ALPHA = 2, 6  # s = 3
Matrix = NDArray[np.float64]
Factors = dict[str, tuple[Matrix, Matrix]]  # of each module, B and A


@pytest.fixture(scope="module")
def tasks(task: Task, other_task: Task) -> tuple[Task, ...]:
    return task, other_task, make_task("fruits", FRUITS, SUBJECTS)


def factors(stage: Any) -> Factors:
    found = pairs(stage.model.body)
    return {name: (pair.b.detach().double().numpy(), pair.a.detach().double().numpy()) for name, pair in found.items()}


def copied(stage: Any) -> Factors:
    return {name: (b.copy(), a.copy()) for name, (b, a) in factors(stage).items()}


def context_of(backbone: Backbone, tasks: tuple[Task, ...], budget: Budget, folder: Path, exponent: float) -> Context:
    settings = STRATEGIES.get("slao").settings(exponent=exponent)
    budget = budget.model_copy(update={"epochs": 1})
    return context_for(adapted("lora", backbone, rank=RANK, alpha=ALPHA), budget, tasks, folder, settings)


def gram_schmidt(a: Matrix) -> Matrix:
    """The rows made orthonormal one after the other: what QR gives if no diagonal entry of R is negative."""
    rows: list[Matrix] = []
    for row in a:
        for before in rows:
            row = row - (row @ before) * before
        rows.append(row / np.linalg.norm(row))
    return np.array(rows)


@pytest.mark.parametrize("exponent", [0.5, 0.0])
def test_each_task_begins_and_is_merged_as_the_algorithm_says(
    exponent: float,
    backbone: Backbone,
    tasks: tuple[Task, ...],
    budget: Budget,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With the exponent 0 the merged LoRA is the one that was learned last."""
    begun: list[Factors] = []
    learned: list[Factors] = []
    merged: list[Factors] = []
    prepare, finish = Slao.prepare, Slao.finish

    def noted_prepare(self: Slao, stage: Any) -> None:
        prepare(self, stage)
        begun.append(copied(stage))

    def noted_finish(self: Slao, stage: Any) -> None:
        learned.append(copied(stage))
        finish(self, stage)
        merged.append(copied(stage))

    monkeypatch.setattr(Slao, "prepare", noted_prepare)
    monkeypatch.setattr(Slao, "finish", noted_finish)
    states = walk(STRATEGIES.get("slao"), context_of(backbone, tasks, budget, tmp_path, exponent), tmp_path)

    for stage in (1, 2):
        for name, (b, a) in begun[stage].items():
            last_b, last_a = learned[stage - 1][name]
            np.testing.assert_array_equal(b, last_b)
            np.testing.assert_allclose(a, gram_schmidt(last_a), atol=1e-5)
            np.testing.assert_allclose(a @ a.T, np.eye(RANK), atol=1e-6)
            assert np.abs(learned[stage][name][0] - b).max() > 1e-3, "B is trained"
            assert np.abs(learned[stage][name][1] - a).max() > 1e-3, "A is trained"
    expected = {name: b for name, (b, _) in learned[0].items()}
    for stage, now in enumerate(learned, start=1):
        weight = 1.0 if exponent == 0 else [1.0, 0.70710678, 0.57735027][stage - 1]
        expected = {name: old + weight * (now[name][0] - old) for name, old in expected.items()}
        for name, (b, a) in merged[stage - 1].items():
            np.testing.assert_allclose(b, expected[name], atol=1e-6)
            np.testing.assert_array_equal(a, now[name][1])
    for state, stored in zip(states, merged, strict=True):
        update = lora.read(state.existing / "body")
        for name, (b, a) in stored.items():
            pair = update[name.removeprefix(lora.PREFIX)]
            assert pair.rank == RANK, "one LoRA, after any number of tasks"
            np.testing.assert_allclose(pair.b.numpy() @ pair.a.numpy(), 3 * b @ a, atol=1e-5)


def test_merging_keeps_closer_to_the_first_task_than_the_control(
    backbone: Backbone, tasks: tuple[Task, ...], budget: Budget, tmp_path: Path
) -> None:
    """After task 2, √½ of the way from B₁ to B₂ in place of all of it: ‖B − B₁‖ ÷ ‖B₂ − B₁‖."""

    def after_two(exponent: float) -> tuple[State, State]:
        folder = tmp_path / str(exponent)
        context = context_of(backbone, tasks[:2], budget, folder, exponent)
        first, second = walk(STRATEGIES.get("slao"), context, folder)
        return first, second

    first, second = after_two(0.5)
    same, control = after_two(0.0)
    start, whole = (lora.read(state.existing / "body") for state in (first, control))
    half, again = (lora.read(state.existing / "body") for state in (second, same))
    for name, pair in half.items():
        assert torch.equal(start[name].b, again[name].b)
        assert torch.equal(pair.a, whole[name].a), "what is learned is the same: the merge comes after"
        share = float((pair.b - start[name].b).norm() / (whole[name].b - start[name].b).norm())
        assert share == pytest.approx(0.5**0.5, rel=1e-4)


def test_rows_that_are_dependent_or_too_many_become_orthonormal_too() -> None:
    """A QR decomposition has no direction for a row that is 0: it may be any, but of length 1."""
    a = torch.tensor([[2.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, -3.0, 0.0]])
    rows = orthonormal(a)
    torch.testing.assert_close(rows @ rows.T, torch.eye(3))
    torch.testing.assert_close(rows[0], torch.tensor([1.0, 0.0, 0.0]))
    assert orthonormal(torch.randn(5, 3, generator=torch.Generator().manual_seed(0))).shape == (3, 3)
