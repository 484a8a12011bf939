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
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from pydantic import Field
from safetensors.torch import load_file, save_file

from adapter_workbench.experiments.strategies._branches import Branches
from adapter_workbench.experiments.strategies._pairs import pairs
from adapter_workbench.experiments.strategies._remedied import Remedied
from adapter_workbench.fusion.updates import lora
from adapter_workbench.workbench.backbone.batching import BATCH_SIZE
from adapter_workbench.workbench.machine.memory import freed_for_reuse
from adapter_workbench.workbench.settings.base import Settings
from adapter_workbench.workbench.training.remedy import Learner, Remedy, RemedyState, Shape

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from torch import Tensor

    from adapter_workbench.experiments.strategies._stage import Stage
    from adapter_workbench.workbench.training.remedy import Row

SPACES_FILE = "input_space.safetensors"
BASES, FREE = "bases", "free"  # in a remedy's state: of each module the columns, and whether they are not in use (0, 1)


class InfLoraSettings(Settings):
    """How much of what a task reads is kept from later ones."""

    threshold: float = Field(0.98, gt=0, lt=1, description="ε: share of the inputs' energy in the directions in use")


@dataclass(frozen=True)
class UnusedInputs(Remedy):
    """Its state is the directions in use, whether the LoRAs of earlier tasks lie beside the new one or are merged."""

    threshold: float
    name: ClassVar[str] = "inflora"
    reads_rows: ClassVar[bool] = True

    def shapes(self, learner: Learner) -> dict[str, Shape]:
        """Return those of the bases."""
        return {name: (pair.a.shape[1], None) for name, pair in pairs(learner.body).items()}

    def shapes_of(self, sort: str, learner: Learner) -> dict[str, Shape]:
        """Return those of the bases, or that of a number a module."""
        return self.shapes(learner) if sort == BASES else dict.fromkeys(self.shapes(learner), ())

    def objection(self, learner: Learner, state: RemedyState | None) -> str | None:
        """The LoRA has to be a new one, and a state has both of its sorts."""
        if any(pair.b.any() for pair in pairs(learner.body).values()):
            return "the LoRA has learned before, and its A would be another: merge it, and train a new one"
        if state is not None and state.tensors.keys() != {BASES, FREE}:
            return f"the state has no {' and '.join(sorted({BASES, FREE} - state.tensors.keys()))}"
        return None

    def before_optimizer(self, learner: Learner, state: RemedyState | None) -> None:
        """Leave A out of what is trained."""
        for pair in pairs(learner.body).values():
            pair.a.requires_grad = False

    def before_task(self, learner: Learner, state: RemedyState | None) -> RemedyState | None:
        """Make A of what the task reads; B is zero, so that the model still is the one before."""
        adapted = pairs(learner.body)
        moments = second_moments(learner, adapted)
        spaces = _spaces(state, moments)
        for name, pair in adapted.items():
            fill(pair.a, spaces[name], moments[name])
        return state

    def going_on(self, learner: Learner, state: RemedyState | None) -> RemedyState | None:
        """Leave A as it was made before the first step."""
        return state

    def after_task(self, learner: Learner, state: RemedyState | None) -> RemedyState:
        """Add the directions that the task uses, as the trained model reads it."""
        moments = second_moments(learner, pairs(learner.body))
        spaces = _spaces(state, moments)
        return _state_of({name: space.grown(moments[name], self.threshold) for name, space in spaces.items()})


class InfLora(Remedied, Branches):
    """Its state is that of o-lora, and the directions in use (``input_space.safetensors``)."""

    settings = InfLoraSettings
    disposable = ("body", SPACES_FILE)

    def remedy(self, settings: InfLoraSettings, strength: float | None) -> UnusedInputs:
        """Return the remedy."""
        return UnusedInputs(settings.threshold)

    def state_before(self, stage: Stage) -> RemedyState | None:
        """Return the stored spaces, by the modules of the body in training."""
        folder = stage.state.folder
        return _state_of({lora.PREFIX + name: space for name, space in load_spaces(folder).items()}) if folder else None

    def store(self, state: RemedyState, remedy: Remedy, folder: Path) -> None:
        """Write the spaces by the modules of the backbone."""
        save_spaces({name.removeprefix(lora.PREFIX): space for name, space in _spaces(state, {}).items()}, folder)


def _state_of(spaces: Spaces) -> RemedyState:
    bases = {name: space.basis.float() for name, space in spaces.items()}  # as a stream stores them
    return RemedyState({BASES: bases, FREE: {name: torch.tensor(int(space.free)) for name, space in spaces.items()}})


def _spaces(state: RemedyState | None, moments: Mapping[str, Tensor]) -> dict[str, Space]:
    if state is None:
        return nothing_used(moments)
    bases, free = state.tensors[BASES], state.tensors[FREE]
    return {name: Space(basis.double(), bool(free[name])) for name, basis in bases.items()}


@torch.no_grad()
def fill(weight: Tensor, space: Space, moments: Tensor) -> None:
    """Write the rows of A (rank, in); where fewer directions are free than A has rows, the others are zero."""
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
def second_moments(learner: Learner, modules: Iterable[str]) -> dict[str, Tensor]:
    """Return the mean of x xᵀ over all tokens x that each module reads of the training rows: (in, in), float64.

    ``modules`` are names in the body. The model is in evaluation mode, and left in it. No batch has padding, which
    would count as tokens.
    """
    (learner.whole or learner.body).eval()
    sums, counts = dict[str, Any](), dict.fromkeys(modules, 0)

    def listener(name: str) -> Any:
        def read(module: Any, inputs: tuple[Tensor, ...]) -> None:
            tokens = inputs[0].flatten(0, -2).float()  # (tokens, in)
            sums[name] = sums.get(name, 0) + tokens.T @ tokens
            counts[name] += len(tokens)

        return read

    hooks = [learner.body.get_submodule(name).register_forward_pre_hook(listener(name)) for name in counts]
    try:
        for rows in _of_one_shape(learner.rows.own()):
            learner.rows.read(rows)
    finally:
        for hook in hooks:
            hook.remove()
    return {name: total.cpu().double() / counts[name] for name, total in sums.items()}


def _of_one_shape(encoded: Sequence[Row]) -> Iterator[list[Row]]:
    """Yield batches of rows whose lists have the same lengths."""
    groups: dict[tuple[int, ...], list[Row]] = {}
    for row in encoded:
        groups.setdefault(tuple(len(value) for value in row.values() if isinstance(value, list)), []).append(row)
    for rows in groups.values():
        for start in range(0, len(rows), BATCH_SIZE):
            yield rows[start : start + BATCH_SIZE]


STRATEGY = InfLora()
