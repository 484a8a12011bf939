"""l2-to-start: sequential, with a penalty on the squared distance from the weights before the first task (L2-SP).

Loss + λ ‖θ − θ₀‖², λ the strength. θ₀ are the pretrained weights, or, with an adapter method, the adapter's own as they
were drawn from the seed; nothing has to be kept for it (Li et al. 2018, arXiv:1802.01483, eq. 4).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapter_workbench.experiments.strategies._shared import RemedySettings, SharedWeights, Strength
from adapter_workbench.experiments.strategies._weights import body_weights, distance
from adapter_workbench.workbench.methods.methods import METHODS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from adapter_workbench.experiments.scenarios import Scenario
    from adapter_workbench.experiments.strategies._stage import Stage
    from adapter_workbench.workbench.methods.model import Penalty


class L2Settings(RemedySettings):
    """``strength`` is λ."""

    strength: Strength = 0.01


class L2ToStart(SharedWeights):
    """Its state is that of sequential."""

    settings = L2Settings
    holds = True

    def objection(self, settings: Any, method: str, kinds: Sequence[str], scenario: Scenario) -> str | None:
        """The weights have to be those that the seed drew, in number and shape, at every stage."""
        if METHODS.get(method).reshapes:
            return f"method {method} trains or leaves other weights than the seed drew, so that there is no start"
        return super().objection(settings, method, kinds, scenario)

    def strengths(self, settings: L2Settings, stage: int) -> Sequence[float | None]:
        """The first stage has a start to be held to, too."""
        return settings.strengths

    def penalty(self, stage: Stage, strength: float) -> Penalty:
        """Return λ ‖θ − θ₀‖²."""
        context, task = stage.context, stage.task
        start = body_weights(context.adaptation.fresh(task.kind, len(task.labels), context.seed).body)
        return lambda batch: strength * distance(batch.model.body, start)


STRATEGY = L2ToStart()
