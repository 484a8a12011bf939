"""The control of remedies that choose which parts of LoRAs are trained: Trainer with the callback, and a stream."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import get_peft_model

from adapter_workbench import InfLoRA, SDLoRA
from adapter_workbench.experiments.strategies import STRATEGIES
from adapter_workbench.experiments.strategies._pairs import pairs
from adapter_workbench.fusion.updates import lora
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.training.remedy_state import read_state
from tests.elsewhere.trainings import beside, classifier, trained, with_lora
from tests.stages import adapted, context_for, walk
from tests.trainer_streams import BUDGET, INSIDE, OUTSIDE, STATE, gap, peft_model, train, two_tasks


def all_gap(model: Any, stored: Path) -> float:
    """Return the largest difference between the LoRAs that training left side by side, and a state of the engine."""
    update, gaps = lora.read(stored / "body"), []
    for name, layer in lora.layers(model).items():
        parts = [lora.pair_in(layer, adapter) for adapter in layer.active_adapters]
        ours = update[f"{lora.PREFIX}{name}".replace(OUTSIDE, INSIDE, 1).removeprefix(lora.PREFIX)]
        gaps += [
            ours.a - torch.cat([part.a for part in parts]),
            ours.b - torch.cat([part.b for part in parts], dim=1),
        ]
    assert gaps
    return max(float(difference.abs().max()) for difference in gaps)


@pytest.mark.parametrize(("name", "callback"), [("inflora", InfLoRA), ("sd-lora", SDLoRA)])
@pytest.mark.parametrize("accumulated", [1, 2])
def test_a_trainer_with_the_callback_comes_to_the_weights_of_a_stream(
    accumulated: int, name: str, callback: Any, llama: Path, tmp_path: Path
) -> None:
    """To the last bit, with the LoRA of the first task frozen beside the second."""
    strategy, tasks = STRATEGIES.get(name), two_tasks()
    budget = BUDGET.model_copy(update={"gradient_accumulation": accumulated})
    adaptation = adapted("lora", open_backbone(str(llama)), dropout=0.2)
    context = context_for(adaptation, budget, tasks, tmp_path / "ws", strategy.settings())
    first, second = walk(strategy, context, tmp_path / "stream")

    model, kept = peft_model(llama, context), tmp_path / "first"
    train(model, tasks[0], context, kept, [callback()])
    assert gap(model, first.existing) == 0
    model = peft_model(llama, context, name, first)
    alone = deepcopy(model)
    train(model, tasks[1], context, tmp_path / "second", [callback(kept / STATE)])
    assert all_gap(model, second.existing) == 0
    train(alone, tasks[1], context, tmp_path / "alone", [])
    assert all_gap(alone, second.existing) > 1e-3, "or nothing shows that something else is trained"


def test_inflora_begins_anew_on_merged_loras_and_reads_nothing_of_what_they_used(bert: Path, tmp_path: Path) -> None:
    """ΔW of the second task gives 0 for every input inside the space that the first has left."""
    model = trained(bert, tmp_path / "1", [InfLoRA(threshold=0.6)], lora=True).model
    assert all(weight.requires_grad for name, weight in model.named_parameters() if "lora_A" in name), "as it was"
    config = model.peft_config["default"]
    model = get_peft_model(model.merge_and_unload(), config)
    start = {name: pair.a.detach().clone() for name, pair in pairs(model).items()}
    trained(bert, tmp_path / "2", [InfLoRA(tmp_path / "1" / STATE, threshold=0.6)], model=model)
    first, second = (read_state(tmp_path / task / STATE, "inflora").tensors for task in "12")
    for name, pair in pairs(model).items():
        assert not torch.equal(pair.a, start[name])
        basis = first["bases"][name]
        kept = basis @ basis.T
        kept = torch.eye(len(kept)) - kept if first["free"][name] else kept
        assert 0 < kept.trace() < len(kept)
        assert pair.b.abs().max() > 1e-4
        assert (pair.b @ pair.a @ kept).abs().max() < 1e-6
        after = second["bases"][name] @ second["bases"][name].T
        after = torch.eye(len(after)) - after if second["free"][name] else after
        torch.testing.assert_close(after @ kept, kept, atol=1e-4, rtol=0)
    with pytest.raises(InputError, match="the LoRA has learned before"):
        trained(bert, tmp_path / "3", [InfLoRA(tmp_path / "2" / STATE)], model=model)


def test_sd_lora_scales_earlier_loras_each_by_itself(bert: Path, tmp_path: Path) -> None:
    """ΔWₖ after the third task is a multiple of ΔWₖ before it, another one in each module; nothing is left behind."""
    model = trained(bert, tmp_path / "1", [SDLoRA()], model=with_lora(bert)).model
    model = trained(bert, tmp_path / "2", [SDLoRA(tmp_path / "1" / STATE)], model=beside(model, "second")).model
    layers = lora.layers(beside(model, "third"))
    before = {
        (name, task): layer.get_delta_weight(task) for name, layer in layers.items() for task in ("default", "second")
    }
    names = {name for name, _ in model.named_parameters()}
    trained(bert, tmp_path / "3", [SDLoRA(tmp_path / "2" / STATE)], model=model)
    assert {name for name, _ in model.named_parameters()} == names
    factors = []
    for (name, task), old in before.items():
        new = layers[name].get_delta_weight(task)
        factor = float((new * old).sum() / old.square().sum())
        torch.testing.assert_close(new, factor * old, atol=1e-6, rtol=1e-4)
        factors.append(factor)
    assert min(abs(factor - 1) for factor in factors) > 1e-4, "every magnitude is trained"
    magnitudes = read_state(tmp_path / "3" / STATE, "sd-lora").tensors["magnitudes"]
    for name, layer in layers.items():
        norms = [layer.get_delta_weight(task).norm() for task in ("default", "second", "third")]
        torch.testing.assert_close(magnitudes[lora.PREFIX + name], torch.stack(norms), rtol=1e-4, atol=0)


def test_sd_lora_needs_the_earlier_loras_as_they_were_left(bert: Path, tmp_path: Path) -> None:
    model = trained(bert, tmp_path / "1", [SDLoRA()], model=with_lora(bert)).model
    state = tmp_path / "1" / STATE
    with pytest.raises(InputError, match="the LoRAs of the 1 earlier tasks do not lie beside the new one"):
        trained(bert, tmp_path / "out", [SDLoRA(state)], model=with_lora(bert))
    model = beside(model, "second")
    with torch.no_grad():
        next(iter(lora.layers(model).values())).lora_B["default"].weight.mul_(2)
    with pytest.raises(InputError, match="not as the training before has left them"):
        trained(bert, tmp_path / "out", [SDLoRA(state)], model=model)


def test_checkpoints_that_could_not_be_gone_on_from_are_refused(bert: Path, tmp_path: Path) -> None:
    model = trained(bert, tmp_path / "1", [SDLoRA()], model=with_lora(bert)).model
    model = beside(model, "second")
    model.base_model.set_adapter(["default", "second"])
    for parameter, weight in model.named_parameters():
        if ".lora_" in parameter:
            weight.requires_grad = ".second." in parameter
    names = {name: weight.requires_grad for name, weight in model.named_parameters()}
    with pytest.raises(InputError, match="goes on with the first active one"):
        trained(bert, tmp_path / "out", [SDLoRA(tmp_path / "1" / STATE)], model=model, save_strategy="steps")
    assert {name: weight.requires_grad for name, weight in model.named_parameters()} == names, "the choice is undone"


@pytest.mark.parametrize("callback", [InfLoRA, SDLoRA])
def test_a_model_without_a_lora_is_refused_before_the_training(callback: Any, bert: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="trains no weights that the remedy could hold"):
        trained(bert, tmp_path / "out", [callback()], model=classifier(bert))
