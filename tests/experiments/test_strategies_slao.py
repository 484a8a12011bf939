"""slao: algorithm 1 in numpy over three tasks, and what its control leaves out."""

from __future__ import annotations

from dataclasses import dataclass, field
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
    now = pairs(stage.model.body)
    return {name: (pair.b.detach().double().numpy(), pair.a.detach().double().numpy()) for name, pair in now.items()}


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


@dataclass
class Record:
    """What each stage began with, ended with and stored."""

    begun: list[Factors] = field(default_factory=list)
    learned: list[Factors] = field(default_factory=list)
    merged: list[Factors] = field(default_factory=list)
    states: list[State] = field(default_factory=list)


@pytest.fixture(scope="module")
def record(
    backbone: Backbone, tasks: tuple[Task, ...], budget: Budget, tmp_path_factory: pytest.TempPathFactory
) -> Record:
    """Three tasks, learned as the paper says."""
    seen, folder, prepare, finish = Record(), tmp_path_factory.mktemp("slao"), Slao.prepare, Slao.finish

    def noted_prepare(self: Slao, stage: Any) -> None:
        prepare(self, stage)
        seen.begun.append(factors(stage))

    def noted_finish(self: Slao, stage: Any) -> None:
        seen.learned.append(factors(stage))
        finish(self, stage)
        seen.merged.append(factors(stage))

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Slao, "prepare", noted_prepare)
        patched.setattr(Slao, "finish", noted_finish)
        seen.states += walk(STRATEGIES.get("slao"), context_of(backbone, tasks, budget, folder, 0.5), folder)
    return seen


@pytest.mark.parametrize("stage", [1, 2])
def test_a_task_begins_with_the_last_b_and_an_orthonormal_a(stage: int, record: Record) -> None:
    """Not with the merged B, which from the second task on is another one."""
    for name, (b, a) in record.begun[stage].items():
        last_b, last_a = record.learned[stage - 1][name]
        np.testing.assert_array_equal(b, last_b)
        np.testing.assert_allclose(a, gram_schmidt(last_a), atol=1e-5)
        assert stage == 1 or np.abs(b - record.merged[stage - 1][name][0]).max() > 1e-3
        now_b, now_a = record.learned[stage][name]
        assert np.abs(now_b - b).max() > 1e-3, "B is trained"
        assert np.abs(now_a - a).max() > 1e-3, "A is trained"


def test_b_is_merged_by_the_root_of_the_tasks_and_a_is_the_newest(record: Record) -> None:
    expected = {name: b for name, (b, _) in record.learned[0].items()}
    for weight, learned, merged in zip([1, 0.70710678, 0.57735027], record.learned, record.merged, strict=True):
        expected = {name: old + weight * (learned[name][0] - old) for name, old in expected.items()}
        for name, (b, a) in merged.items():
            np.testing.assert_allclose(b, expected[name], atol=1e-6)
            np.testing.assert_array_equal(a, learned[name][1])


def test_what_is_stored_is_the_merged_lora_of_one_tasks_rank(record: Record) -> None:
    for state, merged in zip(record.states, record.merged, strict=True):
        update = lora.read(state.existing / "body")
        for name, (b, a) in merged.items():
            pair = update[name.removeprefix(lora.PREFIX)]
            assert pair.rank == RANK
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
