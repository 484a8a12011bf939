"""ewc: sequential, with a penalty on changing the weights that earlier tasks hang on (elastic weight consolidation).

Loss + λ/2 Σₖ Fₖ (θₖ − θ*ₖ)², λ the strength, θ* the weights after the stage before (Kirkpatrick et al. 2017,
arXiv:1612.00796, eq. 3), and F the diagonal Fisher information, kept in one running sum over tasks, F ← γ F + Fₜ
(online EWC: Schwarz et al. 2018, arXiv:1805.06370, § 3.2).

Fₜ is the mean over training examples x of Σ_y p(y | x) (∂ log p(y | x) / ∂θ)², exact in the labels as van de Ven (2025,
arXiv:2502.11756) recommends; of other answers it is the squared gradient of the right
answer's likelihood (of a value: of its squared error).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from pydantic import Field
from safetensors.torch import load_file, save_file

from experiments.strategies._shared import RemedySettings, SharedWeights, Strength
from experiments.strategies._weights import body_weights, distance

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from torch import Tensor

    from experiments.strategies._shared import Stage
    from workbench.model import Penalty

FILE = "fisher.safetensors"


class EwcSettings(RemedySettings):
    """``strength`` is λ."""

    strength: Strength = 1000.0
    decay: float = Field(1.0, ge=0, le=1, description="γ: what is left of the earlier tasks' Fisher information")
    examples: int = Field(100, ge=1, description="training examples that the Fisher information is a mean over")


class Ewc(SharedWeights):
    """Its state is that of sequential, and the Fisher information (``fisher.safetensors``)."""

    settings = EwcSettings
    disposable = ("body", FILE)

    def penalty(self, stage: Stage, strength: float) -> Penalty | None:
        """Return λ/2 Σ F (θ − θ*)²; nothing at the first stage."""
        if stage.state.folder is None:
            return None
        importance, start = load_file(stage.state.folder / FILE), body_weights(stage.model.body)
        return lambda batch: strength / 2 * distance(batch.model.body, start, importance)

    def remember(self, stage: Stage, folder: Path) -> None:
        """Add the Fisher information of the task that was just learned."""
        found, settings = fisher(stage, stage.context.settings.examples), stage.context.settings
        if stage.state.folder:
            earlier = load_file(stage.state.folder / FILE)
            found = {name: settings.decay * earlier[name] + each for name, each in found.items()}
        save_file(found, folder / FILE)


def fisher(stage: Stage, examples: int) -> dict[str, Tensor]:
    """Return the diagonal Fisher information of the body's trained weights on the stage's task, by parameter name."""
    model, context = stage.model, stage.context
    kind, tokenizer = model.kind, context.adaptation.backbone.tokenizer
    rows = stage.task.splits["train"]
    chosen = torch.randperm(len(rows), generator=torch.Generator().manual_seed(context.seed))[:examples]
    encoded = kind.encode(rows.select(sorted(chosen.tolist())), tokenizer, context.budget.max_length)
    weights = {name: each for name, each in model.body.named_parameters() if each.requires_grad}
    sums = {name: torch.zeros_like(each) for name, each in weights.items()}
    collate, device = kind.collate(tokenizer), next(model.parameters()).device
    model.eval()
    for row in encoded:
        batch = {name: each.to(device) for name, each in collate([row]).items()}
        for share, likelihood in _likelihoods(stage, batch):
            gradients = torch.autograd.grad(likelihood, list(weights.values()), retain_graph=True, allow_unused=True)
            for name, gradient in zip(weights, gradients, strict=True):
                if gradient is not None:
                    sums[name] += share * gradient.square()
    return {name: (each / len(encoded)).cpu() for name, each in sums.items()}


def _likelihoods(stage: Stage, batch: dict[str, Tensor]) -> Iterator[tuple[float, Tensor]]:
    """Yield p(y | x) and log p(y | x) for each label y that the one row of ``batch`` could have."""
    model, labels = stage.model, batch.pop("labels")
    if stage.task.kind != "classification":
        decisions = len(stage.task.labels) if stage.task.kind == "multilabel" else (labels != -100).sum()
        yield 1.0, -model(labels=labels, **batch)["loss"] * decisions  # the loss is their mean
        return
    read, _ = model.kind.read(model, batch, None)
    head = stage.heads[list(stage.heads)[-1]]
    likelihoods = head(read).log_softmax(dim=-1).squeeze(0)  # (labels,)
    for each in likelihoods:
        yield float(each.detach().exp()), each


STRATEGY = Ewc()
