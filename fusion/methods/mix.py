"""mix: Σ wᵢ ΔWᵢ with weights learned by gradient from the target's examples; the sources' factors are frozen.

A weight for each source, for each layer and source, or for each module and source, all beginning at the uniform
average. There are so few that some dozens of examples are enough to learn them.

What differs: aTLAS (github.com/fredzzhang/atlas) learns a weight for each tensor (``per: module``) and begins at 0,
under a head that exists. LoRA-Flow's weights also differ from token to token, so that its result is no LoRA; these do
not. Warm-up and optimiser are LoRA's defaults, whatever the sources were trained with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from adapter_workbench.fusion.target.composition import Composed, Composition, CompositionSettings
from adapter_workbench.fusion.target.mixing import Per, halves_apart, mixture
from adapter_workbench.fusion.target.target import begin, require_target, train
from adapter_workbench.workbench.settings.bounds import LearningRate, Size

if TYPE_CHECKING:
    from adapter_workbench.fusion.target.composition import Request


class Settings(CompositionSettings):
    """The learning rate is that of the weights and of the head alike."""

    per: Per = Field("layer", description="whether modules share weights: all of them, those of a layer, or none")
    learning_rate: LearningRate = 5e-3
    rank: Size | None = Field(None, description="rank of the result; exact (the sum of all ranks) if null")


def compose(request: Request, settings: Settings) -> Composed:
    """Return the mixture as one LoRA; ``details`` holds the weights of each group of modules, ``weights`` their mean.

    The head is fitted on the uniform average first and then trained along with the weights; where the result is
    truncated, it is fitted anew.

    Raises:
        InputError: no target, or a source that is no plain LoRA.
        TrainingError: the loss is not a finite number.
    """
    require_target(request)
    mixed = mixture(request, settings.per)
    weights = mixed.learnable(mixed.uniform())
    own = mixed.settings.model_copy(update={"learning_rate": settings.learning_rate})
    begun = begin(mixed.body, request)
    record = train(begun, request, "lora", own)
    head, fit = (begun.model.head, record) if settings.rank is None else (None, None)
    return mixed.composed(request.backbone, weights.detach(), settings.rank, begun.facts, head, fit)


COMPOSITION = Composition(
    title="Learned mixture of LoRAs",
    paper="Wang et al. 2024, LoRA-Flow, arXiv:2402.11455; Zhang et al. 2024, aTLAS, arXiv:2407.02880",
    settings=Settings,
    compose=compose,
    needs_target=True,
    trains=True,
    revision=2,
    affects={2: lambda request, settings: halves_apart(request, settings.per)},
)
