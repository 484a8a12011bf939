"""merge: a new LoRA learns the new rows from nothing, and is then averaged with the champion, weight by weight.

ΔW = (1 − w) ΔW_champion + w ΔW_new, exact and then cut to the champion's rank by its largest singular values. The new
LoRA is trained under the champion's head, whose rows stand where their labels now are. That head is trained along, and
averaged with the same w: (1 − w) h_champion + w h_new. A row of a new label, which the champion does not have, is that
of the new head. Read are the new rows alone. w is the setting ``weight``. The best pass of the new LoRA is picked
before the average, and the score in the manifest is that of the average.

The average of weights before and after a training is that of WiSE-FT (Wortsman et al. 2022, arXiv:2109.01903, eq. 1);
what differs: there the second model begins at the first, here at the pretrained weights, so that what is averaged are
two adapters, as in AdapterSoup (Chronopoulou et al. 2023, arXiv:2302.07027).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from pydantic import Field

from adapter_workbench.experiments.ways import Learned, UpdateContext, Way
from adapter_workbench.experiments.workspace.evaluating import validation_score
from adapter_workbench.fusion.updates import lora
from adapter_workbench.fusion.updates.lowrank import LowRank, weighted_sum
from adapter_workbench.workbench.settings.base import Settings
from adapter_workbench.workbench.settings.bounds import Share

if TYPE_CHECKING:
    from adapter_workbench.experiments.ways import PlannedUpdate
    from adapter_workbench.workbench.methods.model import TaskModel

METHODS = ("lora", "rslora", "lora-plus")  # an ordinary LoRA, whose sum with another is one again


class MergeSettings(Settings):
    """How much the new rows count."""

    weight: Share = Field(0.5, description="w, the new LoRA's share of the average")


def objection(update: PlannedUpdate) -> str | None:
    """The sum of two adapters has to be one of the same kind."""
    method = update.adaptation.method
    return None if method in METHODS else f"adds up plain LoRAs ({', '.join(METHODS)}), not {method}"


def learn(update: UpdateContext) -> Learned:
    """Return the champion's model, averaged with a LoRA that learned the new rows."""
    champion, adaptation = update.champion_model(), update.adaptation
    if not len(update.rows):
        return Learned(champion, update.fit(champion, update.rows))
    new = adaptation.fresh(update.task.kind, len(update.task.labels), update.seed)
    new.head.load_state_dict(champion.head.state_dict())
    record = update.fit(new, update.rows)
    with update.beside:
        average(champion, new, update.settings.weight, [bool(sources) for sources in update.labels.sources])
        score = validation_score(champion, update.drawn, adaptation.backbone, update.budget)
    return Learned(champion, replace(record, validation=score))


@torch.no_grad()
def average(model: TaskModel, new: TaskModel, weight: float, known: list[bool]) -> None:
    """Write (1 − w) · model + w · new into ``model``, LoRA and head; ``known``: labels of which both have a row."""
    layers, others = lora.layers(model.body), lora.layers(new.body)
    for name, layer in layers.items():
        own, other = ({name: _on_processor(lora.pair_in(source))} for source in (layer, others[name]))
        rank = own[name].rank
        merged = weighted_sum([own, other], [1 - weight, weight], rank).update[name]
        lora.fill(model.body, {name: _of_rank(rank, merged, layer.scaling["default"])})
    shares = torch.where(torch.tensor(known), weight, 1.0)  # of the new head, (labels,)
    pairs = zip(model.head.parameters(), new.head.parameters(), strict=True)
    for parameter, trained in pairs:  # (labels, width), then (labels,)
        share = shares.to(parameter.device).view(-1, *[1] * (parameter.dim() - 1))
        parameter.lerp_(trained.to(parameter.device), share)


def _on_processor(pair: LowRank) -> LowRank:
    return LowRank(pair.b.cpu(), pair.a.cpu())


def _of_rank(rank: int, pair: LowRank, scale: float) -> LowRank:
    """Return the factors of a LoRA of ``rank`` with the given scale: those of ``pair``, and zeros for what it lacks."""
    more = rank - pair.rank
    b = torch.nn.functional.pad(pair.b / scale, (0, more))  # (out, rank)
    return LowRank(b, torch.nn.functional.pad(pair.a, (0, 0, 0, more)))


WAY = Way(
    title="Averaging with a new LoRA",
    paper="after Wortsman et al. 2022, arXiv:2109.01903; Chronopoulou et al. 2023, arXiv:2302.07027",
    settings=MergeSettings,
    learn=learn,
    objection=objection,
)
