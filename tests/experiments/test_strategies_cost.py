"""What a stage takes besides its fits counts: time and memory of a remedy's own work."""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import Any

import pytest
import torch

from adapter_workbench.experiments.strategies import STRATEGIES, isolated, ranpac
from adapter_workbench.experiments.strategies._shared import SharedWeights
from adapter_workbench.experiments.strategies._stage import Stage
from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.machine import stopwatch
from adapter_workbench.workbench.methods.task import Task
from adapter_workbench.workbench.settings.base import Budget
from tests.stages import START, adapted, at, context_for, walk

MEGABYTES = 200


class Needy(SharedWeights):
    """Takes much memory for a moment before the first step."""

    def prepare(self, stage: Stage) -> None:
        with mmap.mmap(-1, MEGABYTES * 10**6) as block:
            for page in range(0, MEGABYTES * 10**6, mmap.PAGESIZE):
                block[page] = 1


@pytest.mark.skipif(torch.cuda.is_available(), reason="looks at the memory of the process")
def test_the_memory_that_a_remedy_takes_counts(backbone: Backbone, task: Task, budget: Budget, tmp_path: Path) -> None:
    context = context_for(adapted("lora", backbone), budget, (task,), tmp_path)
    peaks = []
    for strategy in (SharedWeights(), SharedWeights(), Needy()):  # the first one warms up
        folder = tmp_path / str(len(peaks))
        folder.mkdir()
        peaks.append(strategy.learn(START, context, folder).peak_memory_mb)
    if None in peaks:
        pytest.skip("this system does not tell")
    _, plain, needy = peaks
    assert needy - plain > 0.8 * MEGABYTES


def count_calls(monkeypatch: pytest.MonkeyPatch, module: Any, name: str) -> None:
    """Count the calls of a function as clocks count seconds: what is called while none runs is not counted."""
    calls, called = [0.0], getattr(module, name)

    def counting(*arguments: Any) -> Any:
        calls[0] += 1
        return called(*arguments)

    monkeypatch.setattr(module, name, counting)
    monkeypatch.setattr(stopwatch, "COUNTERS", {name: lambda: calls[0]})


def test_the_choice_of_the_nearest_adapter_counts(
    backbone: Backbone, task: Task, other_task: Task, budget: Budget, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count_calls(monkeypatch, isolated, "_nearest")
    strategy = STRATEGIES.get("isolated")
    settings = strategy.settings(init="nearest")
    context = context_for(adapted("lora", backbone), budget, (task, other_task), tmp_path, settings)
    (first, _) = walk(strategy, context, tmp_path)
    folder = tmp_path / "again"
    folder.mkdir()
    assert strategy.learn(first, context, folder).spent == {"_nearest": 1.0}


@pytest.mark.parametrize("stage", [1, 2])
def test_the_solution_of_ranpac_counts(
    stage: int,
    backbone: Backbone,
    task: Task,
    other_task: Task,
    budget: Budget,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    count_calls(monkeypatch, ranpac, "_solve")
    strategy = STRATEGIES.get("ranpac")
    budget = budget.model_copy(update={"epochs": 1})
    settings = strategy.settings(width=30)
    context = context_for(adapted("lora", backbone), budget, (task, other_task), tmp_path, settings)
    states = [START, *walk(strategy, at(context, stage - 1), tmp_path / "before")] if stage > 1 else [START]
    folder = tmp_path / "now"
    folder.mkdir()
    record = strategy.learn(states[-1], at(context, stage), folder)
    assert record.spent == {"_solve": 1.0}
