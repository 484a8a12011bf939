"""sd-lora: each task adds its own LoRA; of earlier LoRAs only the magnitude is trained on, the direction stays.

ΔW = Σₖ αₖ Dₖ over all tasks so far, in each adapted module: Dₖ = Bₖ Aₖ ÷ ‖Bₖ Aₖ‖_F is the direction of task k, αₖ its
magnitude. At task t the pair Bₜ Aₜ is trained, and with it α₁ … αₜ₋₁ (SD-LoRA: Wu et al. 2025, arXiv:2501.13198, § 3).
The sum answers all tasks and is stored as one LoRA of rank t · r.

The newest pair is not divided by its norm while it is trained, since that is 0 at first: αₜ is the norm that s Bₜ Aₜ
comes to, s the method's alpha ÷ rank. So each task begins with the model as the task before left it.

Differences from the authors' program:

- It has one magnitude a task for all modules. Here each module has its own.
- It sets all magnitudes to 0.8 when a task begins. Here they begin as the task before left them.
- It divides by ‖Bₖ‖ ‖Aₖ‖. Here, as in the paper, by ‖Bₖ Aₖ‖.
- It multiplies the newest pair by a magnitude too, which B could hold as well. Here there is none.
- It trains with SGD. Here the fit's optimiser does.
- In a class-incremental stream it trains the rows of the new task's labels alone, under a softmax over these, and
  answers over all labels. Here all rows of the head are trained, under a softmax over all labels so far.
- The paper's variants of falling rank (SD-LoRA-RR) and of merged directions (SD-LoRA-KD) are left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn.utils.parametrize import register_parametrization

from adapter_workbench.experiments.strategies._branches import PAST, Branches
from adapter_workbench.fusion.updates import lora
from adapter_workbench.fusion.updates.lowrank import LowRank, norm

if TYPE_CHECKING:
    from torch import Tensor

    from adapter_workbench.experiments.strategies import Context, State
    from adapter_workbench.workbench.methods.model import TaskModel


class Magnitudes(nn.Module):
    """Multiplies the columns of B, task by task, so that each task's update has the magnitude that is trained here.

    Attributes:
        values: α, one number a task.
    """

    start: Tensor

    def __init__(self, past: LowRank, tasks: int) -> None:
        """Begin with the magnitudes of ``past``, the updates of so many tasks side by side."""
        super().__init__()
        blocks = zip(past.b.chunk(tasks, dim=1), past.a.chunk(tasks), strict=True)
        norms = past.b.new_tensor([norm(LowRank(b, a)) for b, a in blocks])  # (tasks,)
        self.values = nn.Parameter(norms)
        # a task that taught nothing has no direction: 0 ÷ tiny leaves it at 0
        self.register_buffer("start", norms.clamp(min=torch.finfo(norms.dtype).tiny), persistent=False)

    def forward(self, b: Tensor) -> Tensor:
        """Return B with the columns of task k times αₖ ÷ ‖s Bₖ Aₖ‖_F: (out, tasks · rank)."""
        return b * (self.values / self.start).repeat_interleave(b.shape[1] // len(self.values))


class SdLora(Branches):
    """Its state is that of o-lora."""

    def begin(self, context: Context, state: State, head: nn.Module) -> TaskModel:
        """Return the earlier LoRAs with magnitudes that are trained, and beside them a fresh one."""
        model = super().begin(context, state, head)
        if state.folder is not None:
            for layer in lora.layers(model.body).values():
                magnitudes = Magnitudes(lora.pair_in(layer, PAST), len(context.tasks) - 1)
                register_parametrization(layer.lora_B[PAST], "weight", magnitudes)
        return model


STRATEGY = SdLora()
