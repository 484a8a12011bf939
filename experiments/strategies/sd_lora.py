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

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import nn
from torch.nn.utils.parametrize import register_parametrization

from adapter_workbench.experiments.strategies._branches import Branches
from adapter_workbench.experiments.strategies._kept_rows import release
from adapter_workbench.experiments.strategies._pairs import pairs
from adapter_workbench.experiments.strategies._remedied import Remedied
from adapter_workbench.fusion.updates import lora
from adapter_workbench.fusion.updates.lowrank import LowRank, norm
from adapter_workbench.workbench.training.remedy import Learner, Remedy, RemedyState, Shape

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from adapter_workbench.experiments.strategies._stage import Stage

MAGNITUDES = "magnitudes"  # in a remedy's state: ‖s Bₖ Aₖ‖_F of all tasks so far; on a layer, α of the earlier ones
NEAR = 0.01  # relative: rounding to bfloat16 changes less


@dataclass(frozen=True)
class KeptDirections(Remedy):
    """Its state is how many tasks there were, and their magnitudes; the LoRAs lie beside the new one, frozen."""

    name: ClassVar[str] = "sd-lora"

    def shapes(self, learner: Learner) -> dict[str, Shape]:
        """Return those of the magnitudes, of which each task adds one."""
        return dict.fromkeys(pairs(learner.body), (None,))

    def objection(self, learner: Learner, state: RemedyState | None) -> str | None:
        """The LoRAs of earlier tasks have to be there, as they were left."""
        if state is None:
            return None
        for name, layer in _layers(learner).items():
            kept = state.tensors.get(MAGNITUDES, {}).get(name, torch.empty(0))
            if len(kept) != state.tasks or len(earlier(layer)) not in (1, state.tasks):
                beside = "beside the new one, frozen and active, each by itself or all in one"
                return f"the LoRAs of the {state.tasks} earlier tasks do not lie {beside}"
            if not torch.allclose(_magnitudes(layer, state.tasks), kept.float(), rtol=NEAR):
                return "the LoRAs of earlier tasks are not as the training before has left them: load what it has saved"
        return None

    def before_optimizer(self, learner: Learner, state: RemedyState | None) -> None:
        """Have a magnitude trained for each earlier task, in each module."""
        if state is None or not state.tasks:
            return
        for layer in _layers(learner).values():
            adapters = earlier(layer)
            tasks = state.tasks // len(adapters)
            scaled = {adapter: Magnitudes(lora.pair_in(layer, adapter), tasks) for adapter in adapters}
            layer.add_module(MAGNITUDES, nn.ModuleDict({adapter: part.trained for adapter, part in scaled.items()}))
            for adapter, magnitudes in scaled.items():
                register_parametrization(layer.lora_B[adapter], "weight", magnitudes)

    def release(self, learner: Learner) -> None:
        """Put the magnitudes into the earlier LoRAs."""
        for module in [*learner.body.modules()]:
            layer: Any = module
            if hasattr(layer, "lora_B") and hasattr(layer, MAGNITUDES):
                for adapter in [*layer.get_submodule(MAGNITUDES)]:
                    release(layer.lora_B[adapter])
                delattr(layer, MAGNITUDES)

    def after_task(self, learner: Learner, state: RemedyState | None) -> RemedyState:
        """Add the magnitude of the task that was just learned."""
        tasks, magnitudes = state.tasks if state else 0, {}
        for name, pair in pairs(learner.body).items():
            new = torch.tensor([norm(LowRank(pair.scale * pair.b.detach(), pair.a.detach()))])
            before = _magnitudes(learner.body.get_submodule(name), tasks) if tasks else new[:0]
            magnitudes[name] = torch.cat([before, new])
        return RemedyState({MAGNITUDES: magnitudes}, tasks=tasks + 1)


class SdLora(Remedied, Branches):
    """Its state is that of o-lora."""

    disposable = ("body",)

    def remedy(self, settings: Any, strength: float | None) -> KeptDirections:
        """Return the remedy."""
        return KeptDirections()

    def state_before(self, stage: Stage) -> RemedyState:
        """Return how many tasks there were; their LoRAs are in ``body``."""
        return RemedyState(tasks=len(stage.context.tasks) - 1)

    def remember(self, stage: Stage, folder: Path) -> None:
        """Nothing: the LoRAs are in ``body``, and with them their magnitudes."""


class Alpha(nn.Module):
    """What is trained of magnitudes. It lies beside the LoRAs: what is in an earlier one, peft may freeze with it.

    Attributes:
        values: α, one number a task.
    """

    def __init__(self, norms: Tensor) -> None:
        """Begin with ``norms``."""
        super().__init__()
        self.values = nn.Parameter(norms)


class Magnitudes(nn.Module):
    """Multiplies the columns of B, task by task, so that each task's update has the magnitude that is trained."""

    start: Tensor

    def __init__(self, past: LowRank, tasks: int) -> None:
        """Begin with the magnitudes of ``past``, the updates of so many tasks side by side."""
        super().__init__()
        norms = norms_of(past, tasks)
        self._trained = [Alpha(norms)]  # in a list, which makes it no part of this module
        # a task that taught nothing has no direction: 0 ÷ tiny leaves it at 0
        self.register_buffer("start", norms.clamp(min=torch.finfo(norms.dtype).tiny), persistent=False)

    @property
    def trained(self) -> Alpha:
        """Where α is."""
        return self._trained[0]

    def forward(self, b: Tensor) -> Tensor:
        """Return B with the columns of task k times αₖ ÷ ‖s Bₖ Aₖ‖_F: (out, tasks · rank)."""
        alpha = self.trained.values
        return b * (alpha / self.start).repeat_interleave(b.shape[1] // len(alpha))


def norms_of(past: LowRank, tasks: int) -> Tensor:
    """Return ‖s Bₖ Aₖ‖_F of each of so many tasks, whose updates of one rank lie side by side: (tasks,)."""
    blocks = zip(past.b.chunk(tasks, dim=1), past.a.chunk(tasks), strict=True)
    return past.b.new_tensor([norm(LowRank(b, a)) for b, a in blocks])


def earlier(layer: Any) -> list[str]:
    """Return the adapters of a LoRA layer that answer and are not trained, in their order."""
    active = [name for name in layer.active_adapters if name in layer.lora_B]
    return [name for name in active if not layer.lora_B[name].weight.requires_grad]


def _layers(learner: Learner) -> dict[str, Any]:
    return {name: learner.body.get_submodule(name) for name in pairs(learner.body)}


def _magnitudes(layer: Any, tasks: int) -> Tensor:
    """Return those of the earlier tasks, in float32 on the processor: (tasks,)."""
    adapters = earlier(layer)
    norms = [norms_of(lora.pair_in(layer, adapter), tasks // len(adapters)) for adapter in adapters]
    return torch.cat(norms).float().cpu()


STRATEGY = SdLora()
