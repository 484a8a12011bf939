"""l2-to-start: sequential, with a penalty on the squared distance from the weights before the first task (L2-SP).

Loss + λ ‖θ − θ₀‖², λ the strength. θ₀ are the pretrained weights, or, with an adapter method, the adapter's own as they
were drawn from the seed; nothing has to be kept for it (Li et al. 2018, arXiv:1802.01483, eq. 4).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from adapter_workbench.experiments.strategies._remedied import Remedied
from adapter_workbench.experiments.strategies._shared import RemedySettings, Strength
from adapter_workbench.experiments.strategies._weights import body_weights, distance
from adapter_workbench.workbench.methods.methods import METHODS
from adapter_workbench.workbench.training.remedy import Learner, Remedy, RemedyState

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from torch import Tensor

    from adapter_workbench.experiments.scenarios import Scenario
    from adapter_workbench.experiments.strategies._stage import Stage

WEIGHTS = "weights"  # θ₀ in a remedy's state


class L2Settings(RemedySettings):
    """``strength`` is λ."""

    strength: Strength = 0.01


@dataclass(frozen=True)
class L2ToStart(Remedy):
    """Its state is the weights as they were before the first task."""

    strength: float
    name: ClassVar[str] = "l2-to-start"

    def before_task(self, learner: Learner, state: RemedyState | None) -> RemedyState:
        """Keep the weights if this is the first task."""
        return state or RemedyState({WEIGHTS: {name: own.detach().clone() for name, own in learner.weights.items()}})

    def penalty(self, learner: Learner, state: RemedyState | None) -> Tensor | None:
        """Return λ ‖θ − θ₀‖²."""
        return None if state is None else self.strength * distance(learner.body, state.tensors[WEIGHTS])


class L2ToStartStrategy(Remedied):
    """Its state is that of sequential: the start is drawn again."""

    settings = L2Settings
    holds = True
    disposable = ("body",)

    def objection(self, settings: Any, method: str, kinds: Sequence[str], scenario: Scenario) -> str | None:
        """The weights have to be those that the seed drew, in number and shape, at every stage."""
        if METHODS.get(method).reshapes:
            return f"method {method} trains or leaves other weights than the seed drew, so that there is no start"
        return super().objection(settings, method, kinds, scenario)

    def strengths(self, settings: L2Settings, stage: int) -> Sequence[float | None]:
        """The first stage has a start to be held to, too."""
        return settings.strengths

    def remedy(self, settings: L2Settings, strength: float | None) -> L2ToStart:
        """Return the remedy."""
        return L2ToStart(0.0 if strength is None else strength)

    def state_before(self, stage: Stage) -> RemedyState:
        """Return the weights as the seed draws them."""
        context, task = stage.context, stage.task
        fresh = context.adaptation.fresh(task.kind, len(task.labels), context.seed)
        return RemedyState({WEIGHTS: body_weights(fresh.body)})

    def store(self, state: RemedyState, remedy: Remedy, folder: Path) -> None:
        """Nothing: the seed has the weights."""


STRATEGY = L2ToStartStrategy()
