"""What modules of a model read: second moments of their inputs, and the subspace that earlier tasks' inputs fill."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file, save_file

from adapter_workbench.workbench.backbone.batching import BATCH_SIZE, to_device_of
from adapter_workbench.workbench.machine.memory import freed_for_reuse

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from torch import Tensor, nn

    from adapter_workbench.experiments.strategies._stage import Stage

FILE = "input_space.safetensors"


@dataclass(frozen=True)
class Space:
    """The directions of a module's inputs that earlier tasks use, kept by whichever basis is smaller.

    Attributes:
        basis: orthonormal columns (in, k), k ≤ in ÷ 2; of the directions in use, or of all others.
        free: whether the columns span the directions that are *not* in use.
    """

    basis: Tensor
    free: bool

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


def load(folder: Path) -> dict[str, Space]:
    """Return the spaces in a state's folder, in float64."""
    spaces = {}
    for name, basis in load_file(folder / FILE).items():
        kind, _, module = name.partition(":")
        spaces[module] = Space(basis.double(), free=kind == "free")
    return spaces


def save(spaces: Spaces, folder: Path) -> None:
    """Write the spaces into a state's folder, in float32."""
    named = {f"{'free' if space.free else 'used'}:{name}": space.basis for name, space in spaces.items()}
    save_file({name: basis.float().contiguous() for name, basis in named.items()}, folder / FILE)


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
