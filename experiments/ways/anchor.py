"""anchor: the champion goes on learning from the new rows, with a penalty on the distance from its weights.

``penalty: l2``: loss + λ ‖θ − θ*‖² (L2-SP with the champion as the start: Li et al. 2018, arXiv:1802.01483, eq. 4).
``penalty: ewc``: loss + λ/2 Σₖ Fₖ (θₖ − θ*ₖ)² (Kirkpatrick et al. 2017, arXiv:1612.00796, eq. 3), F the diagonal Fisher
information of the champion on old rows that the newer version still has, as the strategy ``ewc`` computes it. θ* are
the champion's weights below the head, λ the strength. The head is not held. Learned are the new rows alone; old rows
are read for F and for nothing else, so l2 needs none. They are counted among the rows that were read.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from adapter_workbench.experiments.strategies._fisher import fisher_information
from adapter_workbench.experiments.strategies._weights import body_weights, distance
from adapter_workbench.experiments.ways import Learned, UpdateContext, Way
from adapter_workbench.workbench.machine.device import accelerator
from adapter_workbench.workbench.settings.base import Settings
from adapter_workbench.workbench.settings.bounds import Count, Weight

if TYPE_CHECKING:
    from adapter_workbench.experiments.ways import PlannedUpdate
    from adapter_workbench.workbench.methods.model import Penalty, TaskModel

STRENGTH = {"l2": 0.01, "ewc": 1000.0}  # those of the strategies `l2-to-start` and `ewc`


class AnchorSettings(Settings):
    """How changes of the champion's weights are weighed."""

    penalty: Literal["l2", "ewc"] = Field("l2", description="whether all weights count alike, or as old rows need them")
    strength: Weight | None = Field(None, description="λ; null: 0.01 for l2, 1000 for ewc")
    examples: Count = Field(100, description="old rows over which the Fisher information is a mean (ewc)")


def objection(update: PlannedUpdate) -> str | None:
    """Some weights below the head have to be trained."""
    method = update.adaptation.method
    return None if update.adaptation.card.trains_body else f"holds weights of the body, of which {method} trains none"


def penalty(update: UpdateContext, model: TaskModel) -> Penalty:
    """Return what is added to the loss."""
    settings: AnchorSettings = update.settings
    strength = STRENGTH[settings.penalty] if settings.strength is None else settings.strength
    start = body_weights(model.body)
    if settings.penalty == "l2":
        return lambda batch: strength * distance(batch.model.body, start)
    old = replace(update.drawn, splits={**update.drawn.splits, "train": update.old_rows})
    backbone, length = update.adaptation.backbone, update.budget.max_length
    with update.beside:
        on_device = model.to(accelerator())
        importance = fisher_information(on_device, model.head, old, backbone, length, settings.examples, update.seed)
    return lambda batch: strength / 2 * distance(batch.model.body, start, importance)


def learn(update: UpdateContext) -> Learned:
    """Return the champion's model, trained on the new rows and held to its weights."""
    model = update.champion_model()
    record = update.fit(model, update.rows, penalty(update, model))
    if update.settings.penalty == "ewc" and record.train_examples is not None:
        weighed = min(update.settings.examples, len(update.old_rows))  # none of them is among the new rows
        record = replace(record, train_examples=record.train_examples + weighed)
    return Learned(model, record)


WAY = Way(
    title="An anchor at the champion's weights",
    paper="Li et al. 2018, arXiv:1802.01483; Kirkpatrick et al. 2017, arXiv:1612.00796",
    settings=AnchorSettings,
    learn=learn,
    needs_old_rows=lambda settings: bool(settings.penalty == "ewc"),
    objection=objection,
)
