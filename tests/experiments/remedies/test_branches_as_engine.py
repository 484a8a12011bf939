"""The control of remedies that give each task a LoRA of its own: Trainer with the callback, and a stream here."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import get_peft_model

from adapter_workbench import ELLA, NLoRA, OLoRA
from adapter_workbench.experiments.strategies import STRATEGIES
from adapter_workbench.experiments.strategies._pairs import pairs
from adapter_workbench.fusion.updates import lora
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.training.remedy_state import read_state
from tests.elsewhere.trainings import trained
from tests.stages import adapted, context_for, walk
from tests.trainer_streams import BUDGET, INSIDE, OUTSIDE, STATE, gap, peft_model, train, two_tasks

CLIPPED = 1.0


def newest_gap(model: Any, stored: Path) -> float:
    """Return the largest difference between the LoRA that training left, and the newest in a state of the engine."""
    update, gaps = lora.read(stored / "body"), []
    for name, pair in pairs(model).items():
        rows, ours = len(pair.a), update[name.replace(OUTSIDE, INSIDE, 1).removeprefix(lora.PREFIX)]
        gaps += [ours.a[-rows:] - pair.a.detach(), ours.b[:, -rows:] - pair.scale * pair.b.detach()]
    assert gaps
    return max(float(difference.abs().max()) for difference in gaps)


@pytest.mark.parametrize(
    ("name", "callback", "strength", "first_too"),
    [("o-lora", OLoRA, 30.0, False), ("ella", ELLA, 3e3, False), ("n-lora", NLoRA, 1e-2, True)],
)
def test_a_trainer_with_the_callback_comes_to_the_weights_of_a_stream(
    name: str, callback: Any, strength: float, first_too: bool, llama: Path, tmp_path: Path
) -> None:
    """To the last bit, with the LoRA of the first task frozen beside the second."""
    strategy, tasks = STRATEGIES.get(name), two_tasks()
    adaptation = adapted("lora", open_backbone(str(llama)), dropout=0.2)
    context = context_for(adaptation, BUDGET, tasks, tmp_path / "ws", strategy.settings(strength=strength))
    first, second = walk(strategy, context, tmp_path / "stream")

    model, kept = peft_model(llama, context), tmp_path / "first"
    train(model, tasks[0], context, kept, [callback(strength=strength)])
    assert gap(model, first.existing) == 0
    model = peft_model(llama, context, name, first)
    alone = deepcopy(model)
    given = {} if first_too else {"state": kept / STATE}
    trainer = train(model, tasks[1], context, tmp_path / "second", [callback(strength=strength, **given)])
    assert newest_gap(model, second.existing) == 0

    norms = [logged["grad_norm"] for logged in trainer.state.log_history if "grad_norm" in logged]
    assert max(norms) > CLIPPED, "or nothing shows that what is added is clipped with the rest"
    train(alone, tasks[1], context, tmp_path / "alone", [])
    assert newest_gap(alone, second.existing) > 1e-3, "or nothing shows that something is added"


def test_rows_of_all_tasks_are_kept_and_merged_loras_are_held_to(bert: Path, tmp_path: Path) -> None:
    """After a merge the next LoRA is named as the one before: what is kept goes by modules."""
    model = trained(bert, tmp_path / "1", [OLoRA()], lora=True).model
    first = {name: pair.a.detach().clone() for name, pair in pairs(model).items()}
    config = model.peft_config["default"]
    model = get_peft_model(model.merge_and_unload(), config)
    trained(bert, tmp_path / "2", [OLoRA(tmp_path / "1" / STATE, strength=50.0)], model=model)
    rows = read_state(tmp_path / "2" / STATE, "o-lora").tensors["rows"]
    for name, pair in pairs(model).items():
        assert rows[name].tolist() == [*first[name].tolist(), *pair.a.tolist()]


def test_updates_of_all_tasks_are_added_up_in_one_matrix_a_module(bert: Path, tmp_path: Path) -> None:
    model = trained(bert, tmp_path / "1", [ELLA()], lora=True).model
    first = {name: pair.scale * (pair.b @ pair.a).detach() for name, pair in pairs(model).items()}
    config = model.peft_config["default"]
    model = get_peft_model(model.merge_and_unload(), config)
    trained(bert, tmp_path / "2", [ELLA(tmp_path / "1" / STATE, strength=50.0)], model=model)
    updates = read_state(tmp_path / "2" / STATE, "ella").tensors["updates"]
    assert updates.keys() == first.keys()
    for name, pair in pairs(model).items():
        torch.testing.assert_close(updates[name], first[name] + pair.scale * (pair.b @ pair.a).detach())


@pytest.mark.parametrize("callback", [OLoRA, ELLA, NLoRA])
def test_a_model_without_a_lora_is_refused_before_the_training(callback: Any, bert: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="trains no weights that the remedy could hold"):
        trained(bert, tmp_path / "out", [callback()])
