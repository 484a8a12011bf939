"""EVA: A begins at the directions in which what a matrix reads varies most; the more they explain, the higher its rank.

Training examples are read before the first step. The directions are the principal components of all their tokens.
What differs from peft: they are computed at once, not batch by batch until they seem to have converged; every matrix
keeps a rank of at least 1, where peft takes the LoRA off; tokens of a question that is to be answered in words count.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

import torch
from pydantic import Field

from adapter_workbench.workbench.backbone.bf16_matrices import shown_in_float32
from adapter_workbench.workbench.methods.libraries._lora_layout import lora_layers
from adapter_workbench.workbench.methods.libraries.peft import needs_targets
from adapter_workbench.workbench.methods.method import Method
from adapter_workbench.workbench.methods.methods import lora
from adapter_workbench.workbench.methods.methods._counterweight import OWN
from adapter_workbench.workbench.methods.methods._examples import read_inputs, starting
from adapter_workbench.workbench.settings.bounds import Count

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from adapter_workbench.workbench.methods.model import TaskModel

PREFIX = "base_model.model."


class Settings(lora.Settings):
    """Ranks are ``rank`` on average, and at most ``rho`` times that; with ``rho: 1`` all are equal.

    Every update is scaled by ``alpha / rank``, whatever rank it gets. ``examples`` of the training split are read. The
    learning rate is LoRA's, and not tuned.
    """

    rho: float = Field(2.0, ge=1, le=100)
    examples: Count = 64


def begin(settings: Settings, model: TaskModel, batches: list[dict[str, Tensor]]) -> None:
    """Put directions and ranks into a fresh LoRA."""
    scatters: dict[str, Scatter] = {}
    read_inputs(model, batches, lambda name, read: scatters.setdefault(name, Scatter()).add(read))
    most = round(settings.rho * settings.rank)
    components = {name: scatters.pop(name).components(most) for name in list(scatters)}
    explained = {name: shares for name, (_, shares) in components.items()}
    chosen = ranks(explained, settings.rank)
    _set_directions(model.body, {name: components[name][0][:rank] for name, rank in chosen.items()})


class Scatter:
    """Σ (x − x̄)(x − x̄)ᵀ over vectors x that come in groups, and their mean; a group is added without cancellation.

    With n vectors so far and a group of m whose mean is d away, the sum grows by the group's own and n m ÷ (n + m) d dᵀ
    (Chan, Golub & LeVeque 1983, The American Statistician 37).
    """

    def __init__(self) -> None:
        """Begin with no vector."""
        self.count, self.mean, self.sum = 0, torch.zeros(()), torch.zeros(())

    def add(self, vectors: Tensor) -> None:
        """Add a group (vectors, size)."""
        more, mean = len(vectors), vectors.mean(dim=0)
        apart, total = mean - self.mean, self.count + len(vectors)
        own = vectors - mean
        self.sum = self.sum + own.T @ own + self.count * more / total * torch.outer(apart, apart)
        self.mean = self.mean + more / total * apart
        self.count = total

    def components(self, most: int) -> tuple[Tensor, Tensor]:
        """Return the first principal components (most, size), and the share of the variance that each explains."""
        values, vectors = torch.linalg.eigh(self.sum)  # rising
        values = values.flip(0).clamp(min=0)
        shares = values / values.sum().clamp(min=torch.finfo(values.dtype).tiny)
        return vectors.T.flip(0)[:most], shares[:most]


def ranks(explained: Mapping[str, Tensor], rank: int) -> dict[str, int]:
    """Return how many of its directions each matrix gets: all in all those that explain most.

    Args:
        explained: name → the shares of the variance that a matrix's directions explain, falling.
        rank: on average. Each gets its first direction; the others are given out by their shares.
    """
    shares = [(share, name) for name, matrix_shares in explained.items() for share in matrix_shares[1:].tolist()]
    shares.sort(key=lambda pair: -pair[0])  # of equal ones, those of the matrix that comes first
    given = Counter(name for _, name in shares[: (rank - 1) * len(explained)])
    return {name: 1 + given[name] for name in explained}


@torch.no_grad()
def _set_directions(body: Any, directions: Mapping[str, Tensor]) -> None:
    """Give each LoRA its A (rank, in), and the config the ranks that are not the usual one."""
    config, layers = body.peft_config[OWN], lora_layers(body)
    config.rank_pattern, config.alpha_pattern = {}, {}
    for name, a in directions.items():
        layer, rank = layers[name], len(a)
        alpha = config.lora_alpha * rank / config.r  # the scale stays as it is
        if rank != config.r:
            module = re.escape(name.removeprefix(PREFIX))
            config.rank_pattern[module], config.alpha_pattern[module] = rank, alpha
        if rank != layer.r[OWN]:
            with shown_in_float32(layer):
                layer.update_layer(OWN, rank, alpha, config=config)
        layer.lora_A[OWN].weight.copy_(a)


METHOD = Method(
    title="EVA",
    paper="Paischer et al. 2024, arXiv:2410.07170",
    library="peft",
    settings=Settings,
    configure=lora.configure,
    objection=needs_targets(lora.configure),
    prepare=starting(begin),
    reshapes=True,
)
