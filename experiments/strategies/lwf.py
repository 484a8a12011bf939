"""lwf: sequential, with a penalty if earlier heads change their answers on the new task's texts (distillation).

Loss + λ Σₜ −softmax(zᵗ/2) · log softmax(ẑᵗ/2), zᵗ the logits of earlier task t's head on the model of the stage before,
ẑᵗ its logits on the present model, λ the strength; the heads are trained too (learning without forgetting: Li & Hoiem
2016, arXiv:1606.09282, eq. 2–3, temperature 2). No example is kept: zᵗ is computed once, before training begins.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch

from adapter_workbench.experiments.strategies import _logits
from adapter_workbench.experiments.strategies._heads import head_for
from adapter_workbench.experiments.strategies._remedied import penalty_of
from adapter_workbench.experiments.strategies._shared import RemedySettings, SharedWeights
from adapter_workbench.workbench.training.remedy import ForwardPass, Learner, Remedy, RemedyState, Shape

if TYPE_CHECKING:
    from collections.abc import Sequence

    from datasets import Dataset
    from torch import Tensor

    from adapter_workbench.experiments.strategies._stage import Stage
    from adapter_workbench.workbench.methods.model import Penalty

TEMPERATURE = 2.0
WEIGHTS = "weights"  # in a remedy's state, where rows bring no logits: under which they are answered once more


@dataclass(frozen=True)
class Distilled(Remedy):
    """It keeps nothing for the next task: rows bring what the model said of them before this one."""

    strength: float
    groups: Sequence[slice] = (slice(None),)  # where the logits of each earlier head stand
    name: ClassVar[str] = "lwf"

    def shapes(self, learner: Learner) -> dict[str, Shape]:
        """Return those of all that is trained, heads too."""
        return {name: tuple(weight.shape) for name, weight in learner.trained.items()}

    def before_task(self, learner: Learner, state: RemedyState | None) -> RemedyState:
        """Keep the weights as they are, unless rows bring their logits."""
        return state or RemedyState({WEIGHTS: {name: own.detach().clone() for name, own in learner.trained.items()}})

    def after_forward(self, learner: Learner, state: RemedyState | None, forward: ForwardPass) -> Tensor | None:
        """Return λ times the distillation loss, the sum over groups; None where rows bring no logits."""
        teacher = forward.remembered
        if teacher is None:
            return None
        logits = forward.logits()
        return self.strength * torch.stack([distillation_loss(logits[:, g], teacher[:, g]) for g in self.groups]).sum()

    def after_task(self, learner: Learner, state: RemedyState | None) -> None:
        """Nothing: the model has learned it."""
        return


class Lwf(SharedWeights):
    """Its state is that of sequential."""

    settings = RemedySettings
    mixes = ("classification",)  # logits of labels are distilled
    rehearses = True

    def own_rows(self, stage: Stage) -> Dataset:
        """Return the task's rows with what the model says of them, under the earlier heads, before it learns."""
        rows = stage.task.splits["train"]
        if stage.state.folder is None:
            return rows
        logits = _logits.no_logits(len(rows), stage)
        groups, posed = _groups(stage), stage.context.posed
        heads = [head_for(stage.context, stage.state, task) for task in posed[: len(groups)]]
        for columns, head_logits in zip(groups, _logits.answers(stage, rows, heads), strict=True):
            logits[:, columns] = head_logits[:, : columns.stop - columns.start]
        return _logits.with_logits(rows, logits)

    def penalty(self, stage: Stage, strength: float) -> Penalty:
        """Return λ times the distillation loss of the earlier heads."""
        return penalty_of(Distilled(strength, _groups(stage)), stage, None)


def _groups(stage: Stage) -> list[slice]:
    """Return where each earlier head's logits stand; of a shared head, one group."""
    heads = 1 if stage.context.scenario.shares_head else len(stage.earlier)
    return [_logits.columns_of(stage, index) for index in range(heads)]


def distillation_loss(logits: Tensor, teacher: Tensor) -> Tensor:
    """Return the cross-entropy of softened answers, mean over rows: both (rows, labels)."""
    target, predicted = (teacher / TEMPERATURE).softmax(dim=-1), (logits / TEMPERATURE).log_softmax(dim=-1)
    return -(target * predicted).sum(dim=-1).mean()


STRATEGY = Lwf()
