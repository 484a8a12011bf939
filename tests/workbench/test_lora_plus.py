"""LoRA+: B moves as far as peft's optimiser with a learning rate of B's own moves it."""

from __future__ import annotations

from typing import Any

import torch
from peft.optimizers import create_loraplus_optimizer

from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.methods.adaptation import Adaptation
from adapter_workbench.workbench.methods.method import FitLength
from adapter_workbench.workbench.methods.methods import METHODS
from adapter_workbench.workbench.methods.model import TaskModel

RATE, RATIO, DECAY = 1e-2, 16.0, 0.1


def batches(count: int) -> list[dict[str, torch.Tensor]]:
    generator = torch.Generator().manual_seed(0)
    ids = [torch.randint(5, 20, (4, 8), generator=generator) for _ in range(count)]
    return [{"input_ids": tokens, "attention_mask": torch.ones_like(tokens)} for tokens in ids]


def trained(model: TaskModel, optimizer: Any, hooks: Any) -> dict[str, torch.Tensor]:
    """Return the LoRA's factors after three steps."""
    for done, batch in enumerate(batches(3)):
        optimizer.zero_grad()
        model(labels=torch.tensor([0, 1, 1, 0]), **batch)["loss"].backward()
        hooks.before_step(done)
        optimizer.step()
        hooks.after_step(done + 1)
    return {name: factor.detach().clone() for name, factor in model.body.named_parameters() if factor.requires_grad}


def test_b_learns_as_fast_as_under_the_optimiser_of_peft(backbone: Backbone) -> None:
    plain, card = METHODS.get("lora"), METHODS.get("lora-plus")
    settings = card.settings(learning_rate=RATE, loraplus_lr_ratio=RATIO)
    mine = Adaptation(backbone, "lora-plus", settings, "fp32").fresh("classification", 2, seed=0)
    theirs = Adaptation(backbone, "lora", plain.settings(), "fp32").fresh("classification", 2, seed=0)
    factors = [parameter for parameter in mine.body.parameters() if parameter.requires_grad]
    own = torch.optim.AdamW(factors, lr=RATE, weight_decay=DECAY)
    updated = trained(mine, own, card.hooks(settings, mine.body, FitLength(total=3, epoch=3)))
    ratio = {"lr": RATE, "loraplus_lr_ratio": RATIO, "loraplus_weight_decay": DECAY}
    other = create_loraplus_optimizer(theirs.body, torch.optim.AdamW, **ratio)
    expected = trained(theirs, other, plain.hooks(plain.settings(), theirs.body, FitLength(total=3, epoch=3)))
    assert updated.keys() == expected.keys()
    for name, factor in expected.items():
        torch.testing.assert_close(updated[name], factor, atol=1e-6, rtol=1e-4)
    moved = max(float(factor.abs().max()) for name, factor in updated.items() if "lora_B" in name)
    assert moved > 4 * RATE, "with one rate, three steps of AdamW move no number farther than three rates"
