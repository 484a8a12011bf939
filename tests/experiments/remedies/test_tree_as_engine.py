"""The control of tree-lora: one LoRA learns three tasks in transformers' Trainer with the callback, and in a stream."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from adapter_workbench import TreeLoRA
from adapter_workbench.experiments.strategies import STRATEGIES
from adapter_workbench.experiments.strategies.tree_lora import FILE
from adapter_workbench.fusion.updates import lora
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.methods.task import Task
from adapter_workbench.workbench.training.remedy_state import read_state
from tests.conftest import make_copying
from tests.stages import adapted, context_for, walk
from tests.trainer_streams import BUDGET, OUTSIDE, STATE, gap, peft_model, train, two_tasks

STRENGTH = 20.0


def three_tasks() -> list[Task]:
    """The two of other controls, and the second once more with other texts."""
    first, second = two_tasks()
    return [first, second, replace(make_copying("again"), name="again")]


@pytest.mark.parametrize("accumulated", [1, 2])
def test_a_trainer_with_the_callback_comes_to_the_weights_of_a_stream(
    accumulated: int, llama: Path, tmp_path: Path
) -> None:
    """The loss, a factor of what is added, is a mean here and a sum that is divided there: to 1e-6."""
    strategy, tasks = STRATEGIES.get("tree-lora"), three_tasks()
    budget = BUDGET.model_copy(update={"gradient_accumulation": accumulated})
    adaptation = adapted("lora", open_backbone(str(llama)), dropout=0.2)
    context = context_for(adaptation, budget, tasks, tmp_path / "ws", strategy.settings(strength=STRENGTH))
    states = walk(strategy, context, tmp_path / "stream")

    model, state = peft_model(llama, context), None
    for number, (task, learned) in enumerate(zip(tasks, states, strict=True), start=1):
        alone, folder = deepcopy(model), tmp_path / str(number)
        train(model, task, context, folder, [TreeLoRA(state, strength=STRENGTH)])
        assert gap(model, learned.existing) <= 1e-6
        train(alone, task, context, tmp_path / f"{number} alone", [])
        assert (gap(alone, learned.existing) > 1e-3) == (number > 1), "or nothing shows that something is added"
        state = folder / STATE

    rows, stored = (
        read_state(tmp_path / "3" / STATE, "tree-lora").tensors["rows"],
        load_file(states[-1].existing / FILE),
    )
    assert len(rows) == len(stored)
    for name, kept in rows.items():
        ours: Any = stored[name.replace(OUTSIDE, "", 1).removeprefix(lora.PREFIX)]
        assert len(kept) == 3
        torch.testing.assert_close(kept, ours, rtol=0, atol=1e-6)
