"""The control of remedies that hold logits: a classifier of ours in transformers' Trainer, and a stream here.

Of both the body is an encoder with a LoRA, the head one linear layer that all tasks share. Logits come from batches of
other sizes here and there, and their gradients are added in another order: to 1e-6.
"""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from safetensors.torch import load_file

from adapter_workbench import DERPlusPlus, LwF
from adapter_workbench.experiments.strategies import STRATEGIES, Context, State
from adapter_workbench.experiments.strategies._memory import recall
from adapter_workbench.experiments.strategies.der_plus_plus import key_of
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.methods.task import Task
from adapter_workbench.workbench.training.remedy_state import read_state
from tests.conftest import FRUITS, SUBJECTS, make_task
from tests.stages import START, adapted, at, context_for, opened, walk
from tests.trainer_streams import BUDGET, STATE, encoded, train

OURS: dict[str, Any] = {"remove_unused_columns": False}  # of a model whose forward() names no columns


def two_tasks() -> tuple[Task, Task]:
    """Name the class of a noun; and name the other one."""
    return make_task("one", SUBJECTS, FRUITS), make_task("turned", FRUITS, SUBJECTS)


def stream(
    name: str, bert: Path, tmp_path: Path, accumulated: int, **settings: Any
) -> tuple[Context, list[State], Any]:
    """Return a stream's context, its two states, and the model with which its first stage begins."""
    strategy, tasks = STRATEGIES.get(name), two_tasks()
    budget = BUDGET.model_copy(update={"gradient_accumulation": accumulated})
    adaptation = adapted("lora", open_backbone(str(bert)), dropout=0.2)
    given = strategy.settings(**settings)
    context = context_for(adaptation, budget, tasks, tmp_path / "ws", given, "domain-incremental")
    states = walk(strategy, context, tmp_path / "stream")
    begun: Any = opened(strategy, at(context, 1), START)  # type: ignore[arg-type]
    return context, states, begun.model


def gap(model: Any, state: State) -> float:
    """Return the largest difference between the weights that training left, and those of a state of the engine."""
    ours = {name.replace(".default.", "."): weight for name, weight in model.named_parameters()}
    body = load_file(state.existing / "body" / "adapter_model.safetensors")
    head = load_file(state.existing / "heads" / "all.safetensors")
    theirs = {f"body.{name}": weight for name, weight in body.items()}
    theirs |= {f"head.{name}": weight for name, weight in head.items()}
    return max(float((ours[name] - weight).detach().abs().max()) for name, weight in theirs.items())


@pytest.mark.parametrize("accumulated", [1, 2])
def test_a_trainer_with_lwf_comes_to_the_weights_of_a_stream(accumulated: int, bert: Path, tmp_path: Path) -> None:
    context, (first, second), model = stream("lwf", bert, tmp_path, accumulated, strength=3.0)
    train(model, context.tasks[0], context, tmp_path / "first", [], **OURS)
    assert gap(model, first) <= (0 if accumulated == 1 else 1e-6)
    alone = deepcopy(model)
    train(model, context.tasks[1], context, tmp_path / "second", [LwF(strength=3.0)], **OURS)
    assert gap(model, second) <= 1e-6
    assert not (tmp_path / "second" / STATE).exists()
    train(alone, context.tasks[1], context, tmp_path / "alone", [], **OURS)
    assert gap(alone, second) > 1e-3, "or nothing shows that something is added"


@pytest.mark.parametrize("accumulated", [1, 2])
def test_a_trainer_with_der_comes_to_the_weights_of_a_stream(accumulated: int, bert: Path, tmp_path: Path) -> None:
    settings = {"strength": 5.0, "memory": 24}
    context, (first, second), model = stream(
        "der-plus-plus", bert, tmp_path, accumulated, policy="reservoir", **settings
    )
    kept = tmp_path / "first" / STATE
    train(model, context.tasks[0], context, tmp_path / "first", [DERPlusPlus(**settings)], **OURS)
    assert gap(model, first) <= (0 if accumulated == 1 else 1e-6)
    memory, state = recall(first.folder), read_state(kept, "der-plus-plus")
    assert memory is not None
    torch.testing.assert_close(
        state.tensors["logits"]["rows"], torch.tensor(memory["remembered"][:]), rtol=0, atol=1e-6
    )

    remedy, alone = DERPlusPlus(kept, **settings), deepcopy(model)
    rows = remedy.mixed(Dataset.from_list(encoded(context.tasks[1], context)))
    train(model, context.tasks[1], context, tmp_path / "second", [remedy], rows, **OURS)
    assert gap(model, second) <= 1e-6
    train(alone, context.tasks[1], context, tmp_path / "alone", [], rows, **OURS)
    assert gap(alone, second) > 1e-3, "or nothing shows that something is added"

    after = read_state(tmp_path / "second" / STATE, "der-plus-plus")
    assert (len(after.rows), after.seen) == (24, sum(len(task.splits["train"]) for task in context.tasks))
    logits = dict(zip(map(key_of, state.rows), state.tensors["logits"]["rows"], strict=True))
    later = dict(zip(map(key_of, after.rows), after.tensors["logits"]["rows"], strict=True))
    assert logits.keys() & later.keys()
    assert later.keys() - logits.keys()
    assert all(torch.equal(later[key], logits[key]) for key in logits.keys() & later.keys()), "those of its own task"
