"""distil: the champion goes on learning from the new rows, and is held to what it said of them before.

Loss + λ · −softmax(z/2) · log softmax(ẑ/2), mean over rows; z the champion's logits on the new rows, computed once
before the first step, ẑ the model's present ones, both over the labels that come from labels of the champion; λ the
strength (learning without forgetting: Li & Hoiem 2016, arXiv:1606.09282, eq. 2–3, temperature 2). No old row is read.
What differs: the paper has a head for each task, here one head answers old and new labels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from pydantic import Field

from adapter_workbench.experiments.strategies._logits import with_logits
from adapter_workbench.experiments.strategies.lwf import distillation_loss
from adapter_workbench.experiments.ways import Learned, UpdateContext, Way
from adapter_workbench.workbench.answering.evaluation import predict
from adapter_workbench.workbench.settings.base import Settings
from adapter_workbench.workbench.settings.bounds import Weight

if TYPE_CHECKING:
    from torch import Tensor

    from adapter_workbench.workbench.methods.model import Batch


class DistilSettings(Settings):
    """How much the champion's answers count."""

    strength: Weight = Field(1.0, description="λ, the weight of the distillation loss")


def learn(update: UpdateContext) -> Learned:
    """Return the champion's model, trained on the new rows and held to its own answers to them."""
    model, rows = update.champion_model(), update.rows
    known = [position for position, sources in enumerate(update.labels.sources) if sources]
    if not len(rows) or len(known) < 2:
        return Learned(model, update.fit(model, rows))
    with update.beside:
        logits = predict(model, rows, update.adaptation.backbone.tokenizer, update.budget.max_length)

    def penalty(batch: Batch) -> Tensor:
        assert batch.remembered is not None
        columns = torch.tensor(known, device=batch.read.device)
        present = batch.model.head(batch.read).index_select(1, columns)  # (rows, labels that the champion knows)
        strength: float = update.settings.strength
        return strength * distillation_loss(present, batch.remembered.index_select(1, columns))

    return Learned(model, update.fit(model, with_logits(rows, logits), penalty))


WAY = Way(
    title="Learning without forgetting",
    paper="Li & Hoiem 2016, arXiv:1606.09282",
    settings=DistilSettings,
    learn=learn,
)
