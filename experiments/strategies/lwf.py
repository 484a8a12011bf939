"""lwf: sequential, with a penalty if earlier heads change their answers on the new task's texts (distillation).

Loss + λ Σₜ −softmax(zᵗ/2) · log softmax(ẑᵗ/2), zᵗ the logits of earlier task t's head on the model of the stage before,
ẑᵗ its logits on the present model, λ the strength; the heads are trained too (learning without forgetting: Li & Hoiem
2016, arXiv:1606.09282, eq. 2–3, temperature 2). No example is kept: zᵗ is computed once, before training begins.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from adapter_workbench.experiments.strategies import _logits
from adapter_workbench.experiments.strategies._heads import head_for
from adapter_workbench.experiments.strategies._shared import RemedySettings, SharedWeights

if TYPE_CHECKING:
    from datasets import Dataset
    from torch import Tensor

    from adapter_workbench.experiments.strategies._stage import Stage
    from adapter_workbench.workbench.methods.model import Batch, Penalty

TEMPERATURE = 2.0


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
        """Return λ times the distillation loss."""
        groups = _groups(stage)

        def of(batch: Batch) -> Tensor:
            assert batch.remembered is not None
            logits = batch.model.head(batch.read)
            return (
                strength * torch.stack([distillation_loss(logits[:, g], batch.remembered[:, g]) for g in groups]).sum()
            )

        return of


def _groups(stage: Stage) -> list[slice]:
    """Return where each earlier head's logits stand; of a shared head, one group."""
    heads = 1 if stage.context.scenario.shares_head else len(stage.earlier)
    return [_logits.columns_of(stage, index) for index in range(heads)]


def distillation_loss(logits: Tensor, teacher: Tensor) -> Tensor:
    """Return the cross-entropy of softened answers, mean over rows: both (rows, labels)."""
    target, predicted = (teacher / TEMPERATURE).softmax(dim=-1), (logits / TEMPERATURE).log_softmax(dim=-1)
    return -(target * predicted).sum(dim=-1).mean()


STRATEGY = Lwf()
