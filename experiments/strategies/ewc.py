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

from typing import TYPE_CHECKING

from pydantic import Field
from safetensors.torch import load_file, save_file

from adapter_workbench.experiments.strategies._fisher import fisher_information
from adapter_workbench.experiments.strategies._shared import RemedySettings, SharedWeights, Strength
from adapter_workbench.experiments.strategies._weights import body_weights, distance
from adapter_workbench.workbench.settings.bounds import Count

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from adapter_workbench.experiments.strategies._stage import Stage
    from adapter_workbench.workbench.methods.model import Penalty

FILE = "fisher.safetensors"


class EwcSettings(RemedySettings):
    """``strength`` is λ."""

    strength: Strength = 1000.0
    decay: float = Field(
        1.0, ge=0, le=1, description="γ: factor on the earlier tasks' Fisher information at each stage"
    )
    examples: Count = Field(100, description="training examples over which the Fisher information is a mean")


class Ewc(SharedWeights):
    """Its state is that of sequential, and the Fisher information (``fisher.safetensors``)."""

    settings = EwcSettings
    holds = True
    disposable = ("body", FILE)

    def penalty(self, stage: Stage, strength: float) -> Penalty:
        """Return λ/2 Σ F (θ − θ*)²."""
        importance, start = load_file(stage.state.existing / FILE), body_weights(stage.model.body)
        return lambda batch: strength / 2 * distance(batch.model.body, start, importance)

    def remember(self, stage: Stage, folder: Path) -> None:
        """Add the Fisher information of the task that was just learned."""
        information, settings = fisher(stage, stage.context.settings.examples), stage.context.settings
        if stage.state.folder:
            earlier = load_file(stage.state.folder / FILE)
            information = {name: settings.decay * earlier[name] + tensor for name, tensor in information.items()}
        save_file(information, folder / FILE)


def fisher(stage: Stage, examples: int) -> dict[str, Tensor]:
    """Return the diagonal Fisher information of the body's trained weights on the stage's task, by parameter name."""
    context = stage.context
    backbone, length = context.adaptation.backbone, context.budget.max_length
    return fisher_information(stage.model, stage.own_head, stage.task, backbone, length, examples, context.seed)


STRATEGY = Ewc()
