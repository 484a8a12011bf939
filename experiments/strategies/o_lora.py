"""o-lora: each task adds its own LoRA; a penalty keeps its input directions orthogonal to those of earlier LoRAs.

ΔW = Σᵢ sᵢ Bᵢ Aᵢ over all tasks so far; only the last pair is trained, with λ Σᵢ ‖Aᵢ Aₜᵀ‖² added to the loss, λ the
strength (Wang et al. 2023, arXiv:2310.14152, eq. 6–8). The sum answers all tasks and is stored as one LoRA of rank
t · r.

Differences from the authors' program: it adds the sum of the absolute values of A_past A_nowᵀ where the paper, and this
module, have their squares, so that its λ is no guide to this one; and it adds λ₂ times the norm of the new factors,
which the paper does not have and this module leaves out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch

from adapter_workbench.experiments.strategies._branches import PAST, Branches
from adapter_workbench.experiments.strategies._pairs import pairs
from adapter_workbench.experiments.strategies._remedied import Remedied
from adapter_workbench.experiments.strategies._shared import RemedySettings
from adapter_workbench.experiments.strategies._weights import on_device_of
from adapter_workbench.workbench.training.remedy import Learner, Remedy, RemedyState, Shape

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from torch import Tensor

    from adapter_workbench.experiments.strategies._stage import Stage

ROWS = "rows"  # in a remedy's state: of each adapted module, the rows of the A of all tasks so far


@dataclass(frozen=True)
class Orthogonal(Remedy):
    """Its state is the A of all tasks so far, whether their LoRAs lie beside the new one or are merged by now."""

    strength: float
    name: ClassVar[str] = "o-lora"

    def shapes(self, learner: Learner) -> dict[str, Shape]:
        """Return those of the rows, of which each task adds some."""
        return {name: (None, pair.a.shape[1]) for name, pair in pairs(learner.body).items()}

    def penalty(self, learner: Learner, state: RemedyState | None) -> Tensor | None:
        """Return λ Σ ‖A_past A_nowᵀ‖²_F over the adapted modules; None before the second task."""
        if state is None:
            return None
        past, now = state.tensors[ROWS], pairs(learner.body)
        products = [on_device_of(pair.a, past, name) @ pair.a.T for name, pair in now.items()]
        return self.strength * torch.stack([product.square().sum() for product in products]).sum()

    def after_task(self, learner: Learner, state: RemedyState | None) -> RemedyState:
        """Add the rows of the task that was just learned."""
        rows = {name: pair.a.detach().cpu().clone() for name, pair in pairs(learner.body).items()}
        if state:
            rows = {name: torch.cat([state.tensors[ROWS][name].cpu(), own]) for name, own in rows.items()}
        return RemedyState({ROWS: rows})


class OLora(Remedied, Branches):
    """Its state is that of sequential; the rank of ``body`` grows with each task."""

    settings = RemedySettings
    disposable = ("body",)

    def remedy(self, settings: Any, strength: float | None) -> Orthogonal:
        """Return the remedy."""
        return Orthogonal(0.0 if strength is None else strength)

    def state_before(self, stage: Stage) -> RemedyState | None:
        """Return the rows of the earlier LoRAs, which the body holds."""
        if stage.state.folder is None:
            return None
        adapted: dict[str, Any] = {name: stage.model.body.get_submodule(name) for name in pairs(stage.model.body)}
        return RemedyState({ROWS: {name: layer.lora_A[PAST].weight for name, layer in adapted.items()}})

    def store(self, state: RemedyState, remedy: Remedy, folder: Path) -> None:
        """Nothing: the rows are in ``body``."""


STRATEGY = OLora()
