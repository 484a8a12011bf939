"""ewc: sequential, with a penalty on changing the weights on which earlier tasks depend (elastic weight consolidation).

Loss + λ/2 Σₖ Fₖ (θₖ − θ*ₖ)², λ the strength, θ* the weights after the stage before (Kirkpatrick et al. 2017,
arXiv:1612.00796, eq. 3), and F the diagonal Fisher information, kept in one running sum over tasks, F ← γ F + Fₜ
(online EWC: Schwarz et al. 2018, arXiv:1805.06370, § 3.2).

Fₜ is the mean over training examples x of Σ_y p(y | x) (∂ log p(y | x) / ∂θ)², exact in the labels as van de Ven (2025,
arXiv:2502.11756) recommends; of other answers it is the squared gradient of the right answer's likelihood (of a value:
of its squared error).

With p the probabilities of C labels and J the logits' Jacobian, that sum is the diagonal of Jᵀ (diag(p) − p pᵀ) J. The
middle matrix has rank C − 1, so C − 1 backward passes along its scaled eigenvectors give it: one for two labels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field
from safetensors.torch import load_file, save_file

from adapter_workbench.experiments.strategies._fisher import diagonal
from adapter_workbench.experiments.strategies._remedied import Remedied
from adapter_workbench.experiments.strategies._shared import RemedySettings, Strength
from adapter_workbench.experiments.strategies._weights import body_weights, distance
from adapter_workbench.workbench.settings.bounds import Count
from adapter_workbench.workbench.training.remedy import Learner, Remedy, RemedyState

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from adapter_workbench.experiments.strategies._stage import Stage

FILE = "fisher.safetensors"
IMPORTANCE, WEIGHTS = "importance", "weights"  # F and θ* in a remedy's state


class EwcSettings(RemedySettings):
    """``strength`` is λ."""

    strength: Strength = 1000.0
    decay: float = Field(
        1.0, ge=0, le=1, description="γ: factor on the earlier tasks' Fisher information at each stage"
    )
    examples: Count = Field(100, description="training examples over which the Fisher information is a mean")


@dataclass(frozen=True)
class Ewc(Remedy):
    """Its state is the Fisher information, and the weights as the task before left them."""

    strength: float
    decay: float
    examples: int
    name: ClassVar[str] = "ewc"
    reads_rows: ClassVar[bool] = True
    begins_at: ClassVar[str | None] = WEIGHTS

    def penalty(self, learner: Learner, state: RemedyState | None) -> Tensor | None:
        """Return λ/2 Σ F (θ − θ*)²; None before the second task."""
        if state is None:
            return None
        return self.strength / 2 * distance(learner.body, state.tensors[WEIGHTS], state.tensors[IMPORTANCE])

    def after_task(self, learner: Learner, state: RemedyState | None) -> RemedyState:
        """Add the Fisher information of the task that was just learned."""
        information = diagonal(learner.weights, learner.evidence(self.examples))
        if state:
            earlier = state.tensors[IMPORTANCE]
            information = {name: self.decay * earlier[name].cpu() + own for name, own in information.items()}
        weights = {name: weight.detach().cpu().clone() for name, weight in learner.weights.items()}
        return RemedyState({IMPORTANCE: information, WEIGHTS: weights})


class EwcStrategy(Remedied):
    """Its state is that of sequential, and the Fisher information (``fisher.safetensors``)."""

    settings = EwcSettings
    holds = True
    disposable = ("body", FILE)

    def remedy(self, settings: EwcSettings, strength: float | None) -> Ewc:
        """Return the remedy."""
        return Ewc(0.0 if strength is None else strength, settings.decay, settings.examples)

    def state_before(self, stage: Stage) -> RemedyState | None:
        """Return the stored information, and the weights as they are before the first step."""
        if stage.state.folder is None:
            return None
        importance = load_file(stage.state.folder / FILE)
        return RemedyState({IMPORTANCE: importance, WEIGHTS: body_weights(stage.model.body)})

    def store(self, state: RemedyState, remedy: Remedy, folder: Path) -> None:
        """Write the information; the weights are in ``body``."""
        save_file(state.tensors[IMPORTANCE], folder / FILE)


STRATEGY = EwcStrategy()
