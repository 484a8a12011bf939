"""AdaMerging: weights that make the merged model most confident on the target's texts, under a head fitted on labels.

min over w of the mean entropy of softmax(head(features)), by Adam. Moving the weights reads no labels, but the head of
a new task has to come from somewhere: it is a logistic regression on the uniform average's features of the labelled
examples, held fixed while the weights move. Like every composition, the result then gets a newly fitted head.

What differs: the paper, and its authors' program (github.com/EnnengYang/AdaMerging), merge models whose heads exist,
on unlabelled test data of all their tasks, and use no label at all. The program has a weight for each tensor (here one
for each layer, or ``per: module``), all beginning at 0.3 and kept within 0 and 1, and takes 500 steps of 1e-3 where 50
of 1e-2 are taken here; weights begin at the average here, and nothing bounds them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from pydantic import Field

from adapter_workbench.fusion.target.composition import Composed, Composition, CompositionSettings
from adapter_workbench.fusion.target.mixing import Per, halves_apart, mixture
from adapter_workbench.fusion.target.target import model_on, require_target, with_fitted_head
from adapter_workbench.workbench.backbone.batching import to_device_of
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.methods.kind import GENERATED
from adapter_workbench.workbench.settings.bounds import LearningRate, Size

if TYPE_CHECKING:
    from torch import Tensor, nn

    from adapter_workbench.fusion.target.composition import Purpose, Request
    from adapter_workbench.workbench.methods.model import TaskModel


class Settings(CompositionSettings):
    """Layer-wise by default; ``per: source`` is the paper's task-wise variant."""

    per: Per = Field("layer", description="whether modules share weights: all of them, those of a layer, or none")
    steps: int = Field(50, ge=0, le=1_000_000, description="steps of Adam, one batch each")
    learning_rate: LearningRate = 1e-2
    rank: Size | None = Field(None, description="rank of the result; exact (the sum of all ranks) if null")


def compose(request: Request, settings: Settings) -> Composed:
    """Return the mixture of least entropy as one LoRA; ``details`` holds its weights.

    Raises:
        InputError: no target, one that is answered in free text, or a source that is no plain LoRA.
    """
    _require_labels(require_target(request).kind)
    mixed = mixture(request, settings.per)
    mixed.weigh(mixed.uniform())
    model = with_fitted_head(model_on(request, mixed.body), request)
    weights = mixed.learnable(mixed.uniform())
    entropies = minimise_entropy(model, weights, request, settings)
    facts = {f"entropy_{when}": entropies[at] for when, at in (("before", 0), ("after", -1))}
    return mixed.composed(request.backbone, weights.detach(), settings.rank, facts)


def require_suited(purpose: Purpose, settings: Settings) -> None:
    """Make sure that the target has labels; raises InputError."""
    _require_labels(purpose.target)


def _require_labels(kind: str) -> None:
    if kind in GENERATED:
        raise InputError(f"adamerging minimises the entropy over labels, and a {kind} task has no labels")


def minimise_entropy(model: TaskModel, weights: nn.Parameter, request: Request, settings: Settings) -> list[float]:
    """Move ``weights`` in place; return the entropy (in nats) of all training texts before and after."""
    rows, budget = require_target(request).splits["train"], request.budget
    encoded = model.kind.questions(rows, request.backbone.tokenizer, budget.max_length)
    collate = model.kind.collate(request.backbone.tokenizer)
    generator = torch.Generator().manual_seed(request.seed)
    optimiser = torch.optim.Adam([weights], lr=settings.learning_rate)

    def entropy(indices: list[int]) -> Tensor:
        batch = to_device_of(model, collate([encoded[index] for index in indices]))
        logs = model(**batch)["logits"].log_softmax(dim=-1)  # (batch, labels)
        mean: Tensor = -(logs.exp() * logs).sum(dim=-1).mean()
        return mean

    def mean_entropy() -> float:
        starts = range(0, len(encoded), budget.batch_size)
        parts = [list(range(start, min(start + budget.batch_size, len(encoded)))) for start in starts]
        with torch.no_grad():
            return sum(entropy(part).item() * len(part) for part in parts) / len(encoded)

    model.eval()
    before = mean_entropy()
    for _ in range(settings.steps):
        indices = torch.randperm(len(encoded), generator=generator)[: budget.batch_size].tolist()
        (weights.grad,) = torch.autograd.grad(entropy(indices), [weights])
        optimiser.step()
    return [before, mean_entropy()]


COMPOSITION = Composition(
    title="AdaMerging",
    paper="Yang et al. 2024, arXiv:2310.02575",
    settings=Settings,
    compose=compose,
    needs_target=True,
    require_suited=require_suited,
    revision=2,
    affects={2: lambda request, settings: halves_apart(request, settings.per)},
)
