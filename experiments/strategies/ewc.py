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

import torch
from pydantic import Field
from safetensors.torch import load_file, save_file

from experiments.strategies._shared import RemedySettings, SharedWeights, Strength
from experiments.strategies._weights import body_weights, distance
from workbench.backbone.batching import to_device_of
from workbench.machine.memory import freed_for_reuse
from workbench.settings.bounds import Count

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from torch import Tensor

    from experiments.strategies._stage import Stage
    from workbench.methods.model import Penalty

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


@freed_for_reuse()
def fisher(stage: Stage, examples: int) -> dict[str, Tensor]:
    """Return the diagonal Fisher information of the body's trained weights on the stage's task, by parameter name."""
    model, context = stage.model, stage.context
    kind, tokenizer = model.kind, context.adaptation.backbone.tokenizer
    rows = stage.task.splits["train"]
    chosen = torch.randperm(len(rows), generator=torch.Generator().manual_seed(context.seed))[:examples]
    encoded = kind.encode(rows.select(sorted(chosen.tolist())), tokenizer, context.budget.max_length)
    weights = {name: parameter for name, parameter in model.body.named_parameters() if parameter.requires_grad}
    sums = {name: torch.zeros_like(weight) for name, weight in weights.items()}
    collate = kind.collate(tokenizer)
    model.eval()
    for row in encoded:
        for direction in _directions(stage, to_device_of(model, collate([row]))):
            gradients = torch.autograd.grad(direction, list(weights.values()), retain_graph=True, allow_unused=True)
            for name, gradient in zip(weights, gradients, strict=True):
                if gradient is not None:
                    sums[name].addcmul_(gradient, gradient)
    return {name: (total / len(encoded)).cpu() for name, total in sums.items()}


def _directions(stage: Stage, batch: dict[str, Tensor]) -> Iterator[Tensor]:
    """Yield the scalars whose squared gradients add up to the Fisher information of the one row of ``batch``."""
    model, labels = stage.model, batch.pop("labels")
    if stage.task.kind != "classification":
        decisions = len(stage.task.labels) if stage.task.kind == "multilabel" else (labels != -100).sum()
        yield -model(labels=labels, **batch)["loss"] * decisions  # the loss is their mean
        return
    read, _ = model.kind.read(model, batch, None)
    logits = stage.own_head(read).squeeze(0)  # (labels,)
    p = logits.detach().double().cpu().softmax(dim=-1)
    values, vectors = torch.linalg.eigh(p.diag() - torch.outer(p, p))  # ascending; the first value is 0
    for factor in (values.clamp(min=0).sqrt() * vectors).T[1:]:
        yield factor.to(logits) @ logits


STRATEGY = Ewc()
