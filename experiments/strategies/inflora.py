"""inflora: each task adds a LoRA that reads only directions that earlier tasks' inputs do not use; its B is trained.

ΔW = Σᵢ s Bᵢ Aᵢ over all tasks so far. Before task t, Aₜ is made from its training inputs. C is the mean of x xᵀ over
the tokens x that a module reads; M is an orthonormal basis of the directions that earlier tasks use. The rows of Aₜ are
the first r left singular vectors of (I − M Mᵀ) C, divided by √3. So Aₜ M = 0: whatever Bₜ becomes, an input inside M
gives what it gave before. After the task, C is that of the trained model, and M grows by the fewest directions with
which it holds the share ε of the squared singular values of C. Where M has more than half of all directions, the others
are kept instead (DualGPM). InfLoRA: Liang & Li 2024, arXiv:2404.00228, § 3; the arithmetic is that of the authors'
program.

Differences from the program:

- It adapts key and value of every layer, which read the same inputs, and keeps one M for both. Here the method's
  targets are adapted, with an M each.
- Its ε rises with t ÷ T, t from 0 and T the number of tasks, towards a number that a task after the last one would
  have. Here ε is ``threshold`` throughout, since a stream may go on.
- After the first task it counts one direction less than its criterion for all later tasks would.
- Its s is 1. Here s is the method's alpha ÷ rank.
- It reads patches of images. Here C is of the tokens of the training texts, without padding.
- In a class-incremental stream it trains the rows of the new task's labels alone, under a softmax over these, and
  answers over all labels. Here all rows of the head are trained, under a softmax over all labels so far.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from pydantic import Field

from adapter_workbench.experiments.strategies import _input_space
from adapter_workbench.experiments.strategies._branches import NOW, Branches
from adapter_workbench.fusion.updates import lora
from adapter_workbench.workbench.settings.base import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor, nn

    from adapter_workbench.experiments.strategies import Context, State
    from adapter_workbench.experiments.strategies._input_space import Space
    from adapter_workbench.experiments.strategies._stage import Stage
    from adapter_workbench.workbench.methods.model import TaskModel


class InfLoraSettings(Settings):
    """How much of what a task reads is kept from later ones."""

    threshold: float = Field(0.98, gt=0, lt=1, description="ε: share of the inputs' energy in the directions in use")


class InfLora(Branches):
    """Its state is that of o-lora, and the directions in use (``input_space.safetensors``)."""

    settings = InfLoraSettings
    disposable = ("body", _input_space.FILE)

    def begin(self, context: Context, state: State, head: nn.Module) -> TaskModel:
        """Return all LoRAs, of which the newest B alone is trained."""
        model = super().begin(context, state, head)
        for layer in lora.layers(model.body).values():
            layer.lora_A[NOW].weight.requires_grad = False
        return model

    def prepare(self, stage: Stage) -> None:
        """Make A of what the task reads; B is zero, so that the model still is the one before."""
        adapted = lora.layers(stage.model.body)
        moments = _input_space.second_moments(stage, adapted)
        spaces = _spaces(stage, moments)
        for name, layer in adapted.items():
            fill(layer, spaces[name], moments[name])

    def remember(self, stage: Stage, folder: Path) -> None:
        """Add the directions that the task uses, as the trained model reads it."""
        moments = _input_space.second_moments(stage, lora.layers(stage.model.body))
        spaces, threshold = _spaces(stage, moments), stage.context.settings.threshold
        _input_space.save({name: space.grown(moments[name], threshold) for name, space in spaces.items()}, folder)


def _spaces(stage: Stage, moments: dict[str, Tensor]) -> dict[str, Space]:
    folder = stage.state.folder
    return _input_space.load(folder) if folder else _input_space.nothing_used(moments)


@torch.no_grad()
def fill(layer: Any, space: Space, moments: Tensor) -> None:
    """Write the rows of A into a LoRA layer; where fewer directions are free than A has rows, the others are zero."""
    weight = layer.lora_A[NOW].weight  # (rank, in)
    vectors, _, _ = torch.linalg.svd(space.without(moments))
    # a vector of singular value 0 may lie anywhere: only its free part counts
    rows = space.without(vectors[:, : len(weight)]).T / math.sqrt(3)
    weight.zero_()
    weight[: len(rows)] = rows.to(weight)


STRATEGY = InfLora()
