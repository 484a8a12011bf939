"""LoRA+: LoRA whose B learns `loraplus_lr_ratio` times as fast as its A.

AdamW's step, weight decay included, is proportional to the learning rate. So B is moved on by ratio − 1 further times
the step that it has just made, which is the same as a rate of its own (peft makes it a group of the optimiser).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from pydantic import Field

from adapter_workbench.workbench.methods.libraries.peft import needs_targets
from adapter_workbench.workbench.methods.method import FitHooks, Method
from adapter_workbench.workbench.methods.methods import lora

if TYPE_CHECKING:
    from torch import Tensor

    from adapter_workbench.workbench.methods.method import FitLength


class Settings(lora.Settings):
    """The learning rate is A's: a fifth of LoRA's, so that B's is above it; it is not tuned, and the ratio is 16."""

    learning_rate: float = 1e-3
    loraplus_lr_ratio: float = Field(16.0, ge=1, le=1000)


def hooks(settings: Settings, body: Any, length: FitLength) -> FitHooks:
    """Move B on after each step."""
    factors = [parameter for name, parameter in body.named_parameters() if ".lora_B." in name]
    before: list[Tensor] = []

    def remember(done: int) -> None:
        before[:] = [factor.detach().clone() for factor in factors]

    @torch.no_grad()
    def move_on(done: int) -> None:
        for factor, was in zip(factors, before, strict=True):
            factor.add_(factor - was, alpha=settings.loraplus_lr_ratio - 1)

    return FitHooks(before_step=remember, after_step=move_on)


METHOD = Method(
    title="LoRA+",
    paper="Hayou et al. 2024, arXiv:2402.12354",
    library="peft",
    settings=Settings,
    configure=lora.configure,
    objection=needs_targets(lora.configure),
    hooks=hooks,
)
