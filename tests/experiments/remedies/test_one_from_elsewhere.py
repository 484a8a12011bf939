"""A remedy that is not in the package: one file, and it works in a stream and in anybody's Trainer.

It lets no weight move that was among the largest after a task, as far as a mask on gradients can: AdamW moves by them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor

from adapter_workbench import RemedyCallback
from adapter_workbench.experiments.extending.strategies import Learner, Remedied, Remedy, RemedyState
from adapter_workbench.workbench.backbone.names import open_backbone
from tests.stages import adapted, context_for, walk
from tests.trainer_streams import BUDGET, STATE, gap, peft_model, train, two_tasks


@dataclass(frozen=True)
class Mask(Remedy):
    share: float
    name: ClassVar[str] = "mask-largest"

    def on_gradients(self, learner: Learner, state: RemedyState | None, step: int) -> None:
        for name, weight in learner.weights.items() if state else ():
            if state and weight.grad is not None:
                weight.grad *= state.tensors["free"][name].to(weight.device)

    def after_task(self, learner: Learner, state: RemedyState | None) -> RemedyState:
        free = {name: self._free(weight.detach()) for name, weight in learner.weights.items()}
        earlier = state.tensors["free"] if state else free
        return RemedyState({"free": {name: mask * earlier[name] for name, mask in free.items()}})

    def _free(self, weight: Tensor) -> Tensor:
        bound = weight.abs().flatten().quantile(1 - self.share)
        return (weight.abs() < bound).to(weight).cpu()


class Strategy(Remedied):
    def remedy(self, settings: Any, strength: float | None) -> Mask:
        return Mask(0.5)


def test_it_holds_in_both_loops(llama: Path, tmp_path: Path) -> None:
    tasks, adaptation = two_tasks(), adapted("lora", open_backbone(str(llama)), dropout=0.2)
    context = context_for(adaptation, BUDGET, tasks, tmp_path / "ws")
    first, second = walk(Strategy(), context, tmp_path / "stream")
    model, kept = peft_model(llama, context), tmp_path / "first"
    train(model, tasks[0], context, kept, [RemedyCallback(Mask(0.5))])
    before = {name: weight.detach().clone() for name, weight in model.named_parameters() if weight.requires_grad}
    assert gap(model, first.existing) == 0
    train(model, tasks[1], context, tmp_path / "second", [RemedyCallback(Mask(0.5), kept / STATE)])
    assert gap(model, second.existing) == 0
    after = dict(model.named_parameters())
    still = [float((after[name] == weight).float().mean()) for name, weight in before.items()]
    assert all(share >= 0.5 for share in still)
    assert not all(share == 1 for share in still)
