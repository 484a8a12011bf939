"""ella: each task adds its own LoRA; a penalty keeps it small at the weights that earlier tasks changed most.

ΔW = Σᵢ sᵢ Bᵢ Aᵢ over all tasks so far; only the last pair is trained. From the second task on, λ Σ ‖ΔWₜ ⊙ W_past‖²_F is
added to the loss: over the adapted modules, the squared entries of the new update ΔWₜ = sₜ Bₜ Aₜ times those of W_past,
the sum of all earlier updates, in float32; λ the strength (ELLA: Das Biswas et al. 2026, arXiv:2601.02232, § 3.2). The
sum answers all tasks and is stored as one LoRA of rank t · r. `stacked` is the control that lacks the penalty alone.

No program of the authors was found. That of JumpLoRA (github.com/alexandra-dragomir/JumpLoRA) has the penalty as a mean
over modules, here it is the sum: its λ of 30,000 is 500 here for 60 modules.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar

import torch

from adapter_workbench.experiments.strategies._branches import PAST, Branches
from adapter_workbench.experiments.strategies._pairs import of_product, pairs
from adapter_workbench.experiments.strategies._remedied import Remedied
from adapter_workbench.experiments.strategies._shared import RemedySettings, Strength
from adapter_workbench.experiments.strategies._weights import on_device_of
from adapter_workbench.fusion.updates import lora
from adapter_workbench.workbench.training.remedy import Learner, Remedy, RemedyState, Shape

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from adapter_workbench.experiments.strategies._stage import Stage

UPDATES = "updates"  # in a remedy's state: W_past of each adapted module


class EllaSettings(RemedySettings):
    """``strength`` is λ."""

    strength: Strength = 500.0


@dataclass(frozen=True)
class Decorrelated(Remedy):
    """Its state is the sum of the updates of all tasks so far, (out, in) for each adapted module."""

    strength: float
    name: ClassVar[str] = "ella"

    def shapes(self, learner: Learner) -> dict[str, Shape]:
        """Return those of the updates."""
        return {name: (len(pair.b), pair.a.shape[1]) for name, pair in pairs(learner.body).items()}

    def penalty(self, learner: Learner, state: RemedyState | None) -> Tensor | None:
        """Return λ Σ ‖s B A ⊙ W_past‖²_F over the adapted modules; None before the second task."""
        if state is None:
            return None
        overlaps = []
        for name, pair in pairs(learner.body).items():
            past = on_device_of(pair.a, state.tensors[UPDATES], name)
            overlaps.append(pair.scale**2 * of_product(pair, partial(_overlap, past)))
        return self.strength * torch.stack(overlaps).sum()

    def after_task(self, learner: Learner, state: RemedyState | None) -> RemedyState:
        """Add the update of the task that was just learned."""
        past, now = state.tensors[UPDATES] if state else {}, pairs(learner.body)
        updates = {name: (pair.scale * pair.b @ pair.a).detach().float().cpu() for name, pair in now.items()}
        return RemedyState({UPDATES: {name: past[name].cpu() + own if past else own for name, own in updates.items()}})


class Ella(Remedied, Branches):
    """Its state is that of o-lora."""

    settings = EllaSettings
    disposable = ("body",)

    def remedy(self, settings: EllaSettings, strength: float | None) -> Decorrelated:
        """Return the remedy."""
        return Decorrelated(0.0 if strength is None else strength)

    def state_before(self, stage: Stage) -> RemedyState | None:
        """Return the sum of the earlier LoRAs, which the body holds."""
        if stage.state.folder is None:
            return None
        body = stage.model.body
        past = {name: lora.pair_in(body.get_submodule(name), PAST) for name in pairs(body)}
        return RemedyState({UPDATES: {name: pair.b @ pair.a for name, pair in past.items()}})

    def store(self, state: RemedyState, remedy: Remedy, folder: Path) -> None:
        """Nothing: the updates are in ``body``."""


def _overlap(past: Tensor, product: Tensor) -> tuple[Tensor, Tensor]:
    """Return ‖B A ⊙ W_past‖²_F of one module, and its gradient in B A (out, in)."""
    shared = product * past
    return shared.square().sum(), (2 * shared * past).to(product.dtype)


STRATEGY = Ella()
