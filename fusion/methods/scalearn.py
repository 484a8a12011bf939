"""scalearn: Σₙ ωₙ ⊙ (what source n adds), the scales ω learned from the target's examples; the sources are frozen.

A scale for each source, adapted place and dimension (ScaLearn), or one for each source and place (``per: layer``,
ScaLearnUniform); either of them the same in all layers (``shared``: ScaLearn++, ScaLearnUniform++). Scales need not sum
to one. Where a layer has one bottleneck, that is L·h·n, L·n, h·n or n numbers, as in the paper. The result is an
ordinary adapter as wide as all sources together, since a scale multiplies the rows of a last matrix.

The same in the authors' program (github.com/CPJKU/ScaLearn): the formula; each scale begins at 2 ÷ n; dropout of 0.3
falls on the scales; scales and head are trained together at 6e-3, without weight decay.

What differs: there the scales begin with noise of 0.001, which nothing needs, since sources differ; the head begins
random, here it is fitted first, as in every composition that trains; a fit has no warm-up and takes up to 30 epochs of
all examples, here what the budget says, with the warm-up and the optimiser of the first bottleneck, or LoRA's defaults
for LoRAs, whatever they were trained with. There the sources are Pfeiffer bottlenecks of all tasks, the target's own
among them; here the target is new. LoRAs are composed too: what each adds to the output of its matrix is scaled. Where
a layer has several places (LoRAs, Houlsby), shared scales are those of one place in all layers; there, of all places.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field

from adapter_workbench.fusion.target.composition import Composed, Composition, CompositionSettings
from adapter_workbench.fusion.target.scaled_outputs import sources_side_by_side
from adapter_workbench.fusion.target.target import begin, require_target, train
from adapter_workbench.workbench.settings.bounds import Dropout, Factor, LearningRate

if TYPE_CHECKING:
    from adapter_workbench.fusion.target.composition import Request


class Settings(CompositionSettings):
    """The learning rate is that of the scales and of the head alike."""

    per: Literal["dimension", "layer"] = Field(
        "dimension", description="whether each dimension of an output has a scale of its own, or all have one"
    )
    shared: bool = Field(False, description="whether all layers have the same scales")
    start: Factor = Field(2.0, description="the sum of the sources' scales at first: each begins at this ÷ sources")
    dropout: Dropout = Field(0.3, description="dropout on the scales, while training")
    learning_rate: LearningRate = 6e-3


def compose(request: Request, settings: Settings) -> Composed:
    """Return the sources as one adapter under the scales that were learned.

    ``details`` holds for each adapted place, or for all layers of one where they share scales, the mean of each
    source's scales; ``weights`` is the mean of these.

    Raises:
        InputError: no target, a source that is no plain LoRA, or bottlenecks that do not lie side by side.
        TrainingError: the loss is not a finite number.
    """
    require_target(request)
    sources = sources_side_by_side(request)
    start = settings.start / sources.sources
    scaled = sources.under_scales(settings.per == "dimension", settings.shared, start, settings.dropout)
    changes = {"learning_rate": settings.learning_rate, "weight_decay": 0.0}
    own = sources.settings.model_copy(update=changes)
    begun = begin(sources.body, request)
    record = train(begun, request, sources.method, own)
    means = scaled.fold()
    return Composed(
        sources.body,
        sources.method,
        own,
        head=begun.model.head,
        fit=record,
        weights=tuple(np.mean(list(means.values()), axis=0).tolist()),
        facts=begun.facts,
        details=means,
        described=sources.described,
    )


COMPOSITION = Composition(
    title="ScaLearn",
    paper="Frohmann et al. 2024, ScaLearn, arXiv:2310.01217",
    settings=Settings,
    compose=compose,
    libraries=("peft", "adapters"),
    needs_target=True,
    trains=True,
)
