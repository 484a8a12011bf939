"""l2-to-start: sequential, with a penalty on the squared distance from the weights before the first task (L2-SP).

Loss + λ ‖θ − θ₀‖², λ the strength. θ₀ are the pretrained weights, or, with an adapter method, the adapter's own as they
were drawn from the seed; nothing has to be kept for it (Li et al. 2018, arXiv:1802.01483, eq. 4).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from experiments.strategies._shared import RemedySettings, SharedWeights, Strength
from experiments.strategies._weights import body_weights, distance

if TYPE_CHECKING:
    from collections.abc import Sequence

    from experiments.strategies._stage import Stage
    from workbench.model import Penalty


class L2Settings(RemedySettings):
    """``strength`` is λ."""

    strength: Strength = 0.01


class L2ToStart(SharedWeights):
    """Its state is that of sequential."""

    settings = L2Settings

    def strengths(self, settings: L2Settings, stage: int) -> Sequence[float | None]:
        """The first stage has a start to be held to, too."""
        return settings.strengths

    def penalty(self, stage: Stage, strength: float) -> Penalty:
        """Return λ ‖θ − θ₀‖²."""
        context, task = stage.context, stage.task
        start = body_weights(context.adaptation.fresh(task.kind, len(task.labels), context.seed).body)
        return lambda batch: strength * distance(batch.model.body, start)


STRATEGY = L2ToStart()
