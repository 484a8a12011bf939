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
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from pydantic import Field
from safetensors.torch import load_file, save_file

from adapter_workbench.experiments.strategies._branches import NOW, Branches
from adapter_workbench.fusion.updates import lora
from adapter_workbench.workbench.backbone.batching import BATCH_SIZE, to_device_of
from adapter_workbench.workbench.machine.memory import freed_for_reuse
from adapter_workbench.workbench.settings.base import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from torch import Tensor, nn

    from adapter_workbench.experiments.strategies import Context, State
    from adapter_workbench.experiments.strategies._stage import Stage
    from adapter_workbench.workbench.methods.model import TaskModel

SPACES_FILE = "input_space.safetensors"


class InfLoraSettings(Settings):
    """How much of what a task reads is kept from later ones."""

    threshold: float = Field(0.98, gt=0, lt=1, description="ε: share of the inputs' energy in the directions in use")


class InfLora(Branches):
    """Its state is that of o-lora, and the directions in use (``input_space.safetensors``)."""

    settings = InfLoraSettings
    disposable = ("body", SPACES_FILE)

    def begin(self, context: Context, state: State, head: nn.Module) -> TaskModel:
        """Return all LoRAs, of which the newest B alone is trained."""
        model = super().begin(context, state, head)
        for layer in lora.layers(model.body).values():
            layer.lora_A[NOW].weight.requires_grad = False
        return model

    def prepare(self, stage: Stage) -> None:
        """Make A of what the task reads; B is zero, so that the model still is the one before."""
        adapted = lora.layers(stage.model.body)
        moments = second_moments(stage, adapted)
        spaces = _spaces(stage, moments)
        for name, layer in adapted.items():
            fill(layer, spaces[name], moments[name])

    def remember(self, stage: Stage, folder: Path) -> None:
        """Add the directions that the task uses, as the trained model reads it."""
        moments = second_moments(stage, lora.layers(stage.model.body))
        spaces, threshold = _spaces(stage, moments), stage.context.settings.threshold
        save_spaces({name: space.grown(moments[name], threshold) for name, space in spaces.items()}, folder)


def _spaces(stage: Stage, moments: dict[str, Tensor]) -> dict[str, Space]:
    folder = stage.state.folder
    return load_spaces(folder) if folder else nothing_used(moments)


@torch.no_grad()
def fill(layer: Any, space: Space, moments: Tensor) -> None:
    """Write the rows of A into a LoRA layer; where fewer directions are free than A has rows, the others are zero."""
    weight = layer.lora_A[NOW].weight  # (rank, in)
    vectors, _, _ = torch.linalg.svd(space.without(moments))
    # a vector of singular value 0 may lie anywhere: only its free part counts
    rows = space.without(vectors[:, : len(weight)]).T / math.sqrt(3)
    weight.zero_()
    weight[: len(rows)] = rows.to(weight)


# What modules of a model read: second moments of their inputs, and the subspace that earlier tasks' inputs fill.


@dataclass(frozen=True)
class Space:
    """The directions of a module's inputs that earlier tasks use, kept by whichever basis is smaller."""

    basis: Tensor  # orthonormal columns (in, k), k ≤ in ÷ 2; of the directions in use, or of all others
    free: bool  # whether the columns span the directions that are *not* in use

    def without(self, matrix: Tensor) -> Tensor:
        """Return the part of the columns of ``matrix`` (in, n) that no direction in use has a share in."""
        share = self.basis @ (self.basis.T @ matrix)
        return share if self.free else matrix - share

    def grown(self, moments: Tensor, threshold: float) -> Space:
        """Return the space with the fewest directions more that hold the share ``threshold`` of ``moments`` (in, in).

        The share is that of the squared singular values of ``moments``, of which the space has a part already (DualGPM:
        Liang & Li 2023, after Saha et al. 2021, arXiv:2103.09762, eq. 9).
        """
        vectors, values, _ = torch.linalg.svd(self.without(moments))
        energy = values.square()
        after = energy.sum() - torch.cat([energy.new_zeros(1), energy.cumsum(0)])  # the energy without the first r
        more = vectors[:, : int((after > (1 - threshold) * moments.square().sum()).sum())]  # (in, r)
        if not self.free:
            return _smaller(torch.cat([self.basis, more], dim=1))
        rest, _, _ = torch.linalg.svd(self.basis - more @ (more.T @ self.basis), full_matrices=False)
        return Space(rest[:, : self.basis.shape[1] - more.shape[1]], free=True)


def _smaller(used: Tensor) -> Space:
    size, count = used.shape
    if count <= size / 2:
        return Space(used, free=False)
    vectors, _, _ = torch.linalg.svd(used)
    return Space(vectors[:, count:], free=True)


Spaces = Mapping[str, Space]  # name of a module in the backbone → what earlier tasks use of its inputs


def nothing_used(moments: Mapping[str, Tensor]) -> dict[str, Space]:
    """Return spaces without a direction, for modules with such second moments."""
    return {name: Space(matrix.new_zeros(len(matrix), 0), free=False) for name, matrix in moments.items()}


def load_spaces(folder: Path) -> dict[str, Space]:
    """Return the spaces in a state's folder, in float64."""
    spaces = {}
    for name, basis in load_file(folder / SPACES_FILE).items():
        kind, _, module = name.partition(":")
        spaces[module] = Space(basis.double(), free=kind == "free")
    return spaces


def save_spaces(spaces: Spaces, folder: Path) -> None:
    """Write the spaces into a state's folder, in float32."""
    named = {f"{'free' if space.free else 'used'}:{name}": space.basis for name, space in spaces.items()}
    save_file({name: basis.float().contiguous() for name, basis in named.items()}, folder / SPACES_FILE)


@freed_for_reuse()
@torch.no_grad()
def second_moments(stage: Stage, modules: Mapping[str, nn.Module]) -> dict[str, Tensor]:
    """Return the mean of x xᵀ over all tokens x that each module reads of the stage's training rows: (in, in), float64.

    The model is in evaluation mode, and left in it. No batch has padding, which would count as tokens.
    """
    model, context = stage.model.eval(), stage.context
    tokenizer = context.adaptation.backbone.tokenizer
    encoded = model.kind.encode(stage.task.splits["train"], tokenizer, context.budget.max_length)
    collate, sums, counts = model.kind.collate(tokenizer), dict[str, Any](), dict.fromkeys(modules, 0)

    def listener(name: str) -> Any:
        def read(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            tokens = inputs[0].flatten(0, -2).float()  # (tokens, in)
            sums[name] = sums.get(name, 0) + tokens.T @ tokens
            counts[name] += len(tokens)

        return read

    hooks = [module.register_forward_pre_hook(listener(name)) for name, module in modules.items()]
    try:
        for rows in _of_one_shape(encoded):
            model(**to_device_of(model, collate(rows)))
    finally:
        for hook in hooks:
            hook.remove()
    return {name: total.cpu().double() / counts[name] for name, total in sums.items()}


def _of_one_shape(encoded: Sequence[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Yield batches of rows whose lists have the same lengths."""
    groups: dict[tuple[int, ...], list[dict[str, Any]]] = {}
    for row in encoded:
        groups.setdefault(tuple(len(value) for value in row.values() if isinstance(value, list)), []).append(row)
    for rows in groups.values():
        for start in range(0, len(rows), BATCH_SIZE):
            yield rows[start : start + BATCH_SIZE]


STRATEGY = InfLora()
