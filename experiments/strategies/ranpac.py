"""ranpac: no head is trained; one ridge solution on random projections of frozen features answers all tasks.

h = max(f W, 0) are M random projections of a text's features f, with W ~ N(0, 1), never trained. G = Σ h hᵀ and
C = Σ h yᵀ are sums over the examples of all tasks so far, y the label as a vector with a single 1; (G + λI)⁻¹ C gives
the scores (RanPAC: McDonnell et al. 2023, arXiv:2307.02251, algorithm 1). Sums have no order: tasks that come one after
another give what all of them together give, and only the labels to choose from grow.

With method head the features are the backbone's. With any other method the first task trains body and
a linear head as sequential would (first-session adaptation); then the body is frozen, and that head is dropped.

The arithmetic is that of the router of the same name, with what differs there from the authors' program: ``width`` for
their M = 10,000, and λ chosen on a fifth of the examples of every task. Also:

- Their first session trains under a cosine classifier, whose scale is trained too, by SGD with a cosine schedule. Here
  it is the fit of the method, under a linear head.
- They know no tasks with names. Here, where the task is named, the one solution over all labels is asked for those of
  the task alone.
- The scores approximate 0 and 1: as logits they are close to each other, so confidences are low.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from pydantic import Field
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from adapter_workbench.experiments.strategies._shared import SharedWeights
from adapter_workbench.tasks.loading.union import starts
from adapter_workbench.workbench.answering.evaluation import features
from adapter_workbench.workbench.backbone.architecture import state_width
from adapter_workbench.workbench.backbone.network import features_kept
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.settings.base import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from adapter_workbench.experiments.strategies import Context, State
    from adapter_workbench.experiments.strategies._stage import Stage
    from adapter_workbench.fusion.routing.routers import Part
    from adapter_workbench.fusion.routing.routers.ranpac import Settings as Ridge
    from adapter_workbench.workbench.methods.model import TaskModel
    from adapter_workbench.workbench.methods.task import Task

SUMS, SOLUTION = "sums.safetensors", "solution.safetensors"


class RanpacSettings(Settings):
    """How wide the projection is."""

    width: int = Field(2000, ge=1, le=20_000, description="M, random projections: memory grows with its square")


class RidgeHead(nn.Module):
    """Features → scores, by numbers that are drawn and solved for; nothing to train, nothing to store as a head.

    Attributes:
        drawn: W (hidden, M).
        weights: (G + λI)⁻¹ C (M, all labels), in float64: with a small λ they are large, and cancel.
        own: the columns of the labels that are asked for.
        sums: what the weights were solved from; empty where they were stored.
    """

    drawn: Tensor
    weights: Tensor

    def __init__(self, drawn: Tensor, weights: Tensor, own: slice, sums: Part | None = None) -> None:
        """Take everything over."""
        super().__init__()
        self.own, self.sums = own, dict(sums or {})
        self.register_buffer("drawn", drawn, persistent=False)
        self.register_buffer("weights", weights, persistent=False)

    def forward(self, read: Tensor) -> Tensor:
        """Return the scores (batch, own labels) of features (batch, hidden)."""
        scores: Tensor = (read.float() @ self.drawn).relu().double() @ self.weights[:, self.own]
        return scores.float()


class Ranpac(SharedWeights):
    """Its state is the body of the first task, the sums over all tasks (``sums.safetensors``), and their solution."""

    settings = RanpacSettings
    disposable = ("body", SUMS)
    mixes = ("classification",)

    def fits(self, settings: RanpacSettings, examples: Sequence[int]) -> list[int]:
        """At most one, on the first task (with method head not even that); later tasks take no gradient step."""
        return [*examples] if len(examples) == 1 else []

    def begin(self, context: Context, state: State, head: nn.Module) -> TaskModel:
        """Return the first task's body; raises InputError where its rows are too few to choose λ."""
        from adapter_workbench.fusion.routing.routers.ranpac import FOLD

        task = context.drawn[-1]
        if state.folder is None and (rows := len(task.splits["train"])) < FOLD:
            message = f"ranpac holds out every {FOLD}th training row to choose λ, and {task.name} has {rows}"
            hint = f"Begin with a task that has {FOLD} rows or more, or raise budget.train_examples."
            raise InputError(message, where=context.label, hint=hint)
        return super().begin(context, state, head)

    def prepare(self, stage: Stage) -> None:
        """Solve for the head and leave nothing to train, but for the first session."""
        if stage.state.folder or not stage.context.adaptation.card.trains_body:
            stage.model.head = _solve(stage)
            stage.model.requires_grad_(False)

    def finish(self, stage: Stage) -> None:
        """Solve for the head that takes over after a first session."""
        if not stage.state.folder and stage.context.adaptation.card.trains_body:
            stage.model.head = _solve(stage)

    def save(self, stage: Stage, folder: Path) -> None:
        """Write the body as the first task left it."""
        if stage.state.folder:
            shutil.copytree(stage.state.folder / "body", folder, dirs_exist_ok=True)
        else:
            super().save(stage, folder)

    def remember(self, stage: Stage, folder: Path) -> None:
        """Write the sums, for later tasks, and the solution, for answers."""
        head: Any = stage.model.head
        save_file({name: tensor.contiguous() for name, tensor in head.sums.items()}, folder / SUMS)
        save_file({"weights": head.weights.cpu().contiguous()}, folder / SOLUTION)

    def model_for(self, state: State, task: Task, context: Context) -> TaskModel:
        """Put the solution on the frozen body: its columns of the task's labels, where the task is named."""
        weights = load_file(state.existing / SOLUTION)["weights"]
        head = RidgeHead(_projection(context), weights, _columns(context, task))
        return context.adaptation.load(state.existing / "body", head, task.kind)


def _solve(stage: Stage) -> RidgeHead:
    """Return the head that the examples of all tasks so far give."""
    from adapter_workbench.fusion.routing.routers import ranpac

    context, rows, own = stage.context, stage.task.splits["train"], _columns(stage.context, stage.task)
    tokenizer, length = context.adaptation.backbone.tokenizer, context.budget.max_length
    reading = stage.model.under(nn.Identity())
    with features_kept(reading, context.adaptation.backbone):
        text_features = features(reading, rows, tokenizer, length)
    targets = np.eye(own.stop)[own.start + np.asarray(rows["label"][:])]
    sums = ranpac.sum_features(text_features, targets, _ridge(context), context.seed)
    if stage.state.folder:
        sums = ranpac.add_sums(load_file(stage.state.folder / SUMS), sums)
    weights = torch.from_numpy(ranpac.prepare([sums], _ridge(context)).weights)
    head = RidgeHead(_projection(context), weights, own, sums)
    return head.to(next(stage.model.body.parameters()).device)


def _columns(context: Context, task: Task) -> slice:
    """Return the places of a task's labels among all so far: all of them where tasks share a head."""
    index = [posed.name for posed in context.posed].index(task.name)
    start = 0 if context.scenario.shares_head else starts(context.posed)[index]
    return slice(start, start + len(context.posed[index].labels))


def _projection(context: Context) -> Tensor:
    from adapter_workbench.fusion.routing.routers import ranpac

    return torch.from_numpy(ranpac.projection(state_width(context.adaptation.backbone.config), _ridge(context)))


def _ridge(context: Context) -> Ridge:
    from adapter_workbench.fusion.routing.routers import ranpac

    return ranpac.Settings(width=context.settings.width, seed=context.seed)


STRATEGY = Ranpac()
