"""LoRA-FA: B takes the step that brings the update nearest to the gradient of the whole matrix; A never moves."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import peft.optimizers.lorafa
import pytest
import torch
from peft.optimizers import create_lorafa_optimizer

from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.machine.listener import Silent
from adapter_workbench.workbench.methods.adaptation import Adaptation
from adapter_workbench.workbench.methods.libraries._lora_layout import lora_layers
from adapter_workbench.workbench.methods.method import FitHooks, FitLength
from adapter_workbench.workbench.methods.methods import METHODS
from adapter_workbench.workbench.methods.methods._counterweight import OWN
from adapter_workbench.workbench.methods.model import TaskModel
from adapter_workbench.workbench.methods.task import Task
from adapter_workbench.workbench.settings.base import Budget
from adapter_workbench.workbench.training import fit
from adapter_workbench.workbench.training.hooks import HookCallback
from tests.workbench.test_lora_plus import batches, trained

RATE, RANK, ALPHA = 1e-2, 4, 12
LABELS = torch.tensor([0, 1, 1, 0])


def fresh(backbone: Backbone, method: str = "lora-fa") -> TaskModel:
    settings = METHODS.get(method).settings(learning_rate=RATE, rank=RANK, alpha=ALPHA)
    return Adaptation(backbone, method, settings, "fp32").fresh("classification", 2, seed=0)


def hooks(model: TaskModel) -> FitHooks:
    card = METHODS.get("lora-fa")
    return card.hooks(card.settings(), model.body, FitLength(total=3, epoch=3))


def test_the_corrected_step_is_nearest_to_the_gradient_of_the_matrix(backbone: Backbone) -> None:
    """Least squares in closed form: ΔB = G Aᵀ (A Aᵀ)⁻¹ ÷ s makes ‖s ΔB A − G‖ smallest."""
    model = fresh(backbone)
    layers, callback = lora_layers(model.body), hooks(model)
    matrices = {name: layer.get_base_layer().weight for name, layer in layers.items()}
    for weight in matrices.values():
        weight.requires_grad_(True)
    try:
        model(labels=LABELS, **batches(1)[0])["loss"].backward()
        gradients = {name: weight.grad.clone() for name, weight in matrices.items()}
    finally:
        for weight in matrices.values():
            weight.requires_grad_(False).grad = None
    callback.before_update(0)
    for name, layer in layers.items():
        a, scale = layer.lora_A[OWN].weight.detach(), layer.scaling[OWN]
        wanted = gradients[name] @ a.T @ torch.linalg.inv(a @ a.T) / scale
        assert scale == ALPHA / RANK
        torch.testing.assert_close(layer.lora_B[OWN].weight.grad, wanted, atol=1e-6, rtol=1e-3)
        nearest = torch.linalg.lstsq(scale * a.T, gradients[name].T).solution.T
        torch.testing.assert_close(wanted, nearest, atol=1e-6, rtol=1e-3)


def test_b_moves_as_under_the_optimiser_of_peft(backbone: Backbone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peft.optimizers.lorafa, "is_bf16_available", lambda: False)  # it would round the product
    mine, theirs = fresh(backbone), fresh(backbone, "lora")
    own = torch.optim.AdamW(
        [parameter for parameter in mine.body.parameters() if parameter.requires_grad], lr=RATE, weight_decay=0.0
    )
    own.param_groups[0]["eps"] = 1e-12  # peft adds its eps elsewhere in the quotient
    other: Any = create_lorafa_optimizer(theirs.body, r=RANK, lora_alpha=ALPHA, lr=RATE)
    other.param_groups[0]["eps"] = 1e-12
    callback = hooks(mine)
    factors = trained(mine, own, FitHooks(before_step=callback.before_update))  # called when the gradients are there
    expected = trained(theirs, other, FitHooks())
    assert factors.keys() == expected.keys(), "the same is trained"
    for name, factor in expected.items():
        torch.testing.assert_close(factors[name], factor, atol=1e-5, rtol=1e-3)
    assert max(float(factor.abs().max()) for factor in factors.values()) > RATE


def test_a_is_never_trained(backbone: Backbone, task: Task, budget: Budget) -> None:
    settings = METHODS.get("lora-fa").settings(learning_rate=RATE)
    adaptation = Adaptation(backbone, "lora-fa", settings, "fp32")
    model = adaptation.fresh("classification", 2, seed=0)
    before = {name: layer.lora_A[OWN].weight.clone() for name, layer in lora_layers(model.body).items()}
    assert not [name for name in model.trainable() if ".lora_A." in name]
    fit(model, task, adaptation, budget.model_copy(update={"epochs": 1}), 0, Silent(), "test")
    for name, layer in lora_layers(model.body).items():
        assert torch.equal(layer.lora_A[OWN].weight, before[name])
        assert layer.lora_B[OWN].weight.any()


def test_a_method_corrects_after_the_strategy(backbone: Backbone) -> None:
    calls: list[tuple[str, int]] = []
    model = fresh(backbone)
    model.correction = lambda done: calls.append(("strategy", done))
    callback = HookCallback(FitHooks(before_update=lambda done: calls.append(("method", done))), model)
    callback.on_pre_optimizer_step(None, SimpleNamespace(global_step=3), None)
    assert calls == [("strategy", 3), ("method", 3)]
