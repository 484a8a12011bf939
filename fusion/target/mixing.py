"""LoRAs side by side in one body, each under weights of its own: the body is built once and weighed as often as needed.

Σ wᵢ bᵢ aᵢ = [w₁b₁ … wₙbₙ] [a₁; …; aₙ] is one LoRA of rank Σ rᵢ whose columns are scaled; nothing is loaded again, and
what was evaluated is, to the last bit, what is stored.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from adapter_workbench.fusion.target.composition import Composed
from adapter_workbench.fusion.updates import lora
from adapter_workbench.fusion.updates.lowrank import LowRank, Merged, Truncated, aligned, collect, norm, spectrum, stack

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from adapter_workbench.fusion.target.composition import Request
    from adapter_workbench.workbench.adapters.fit_record import FitRecord
    from adapter_workbench.workbench.backbone.pretrained import Backbone
    from adapter_workbench.workbench.methods.methods.lora import Settings

Per = Literal["source", "layer", "module"]


@dataclass(frozen=True)
class Mixture:
    """Sources in one body. Weights are (groups, sources): modules of one group share a row."""

    body: nn.Module  # the backbone with all factors as one LoRA
    settings: Settings  # of that LoRA
    update: Mapping[str, LowRank]  # the factors side by side, each source with weight 1
    owners: Mapping[str, Tensor]  # module → which source each of its columns belongs to, (Σ rᵢ,)
    rows: Mapping[str, int]  # module → its row of the weights
    groups: tuple[str, ...]  # names of the rows
    sources: int  # how many there are

    def uniform(self) -> Tensor:
        """Return 1 / sources everywhere, (groups, sources)."""
        return torch.full((len(self.groups), self.sources), 1 / self.sources)

    def one_hot(self, source: int) -> Tensor:
        """Return weights of 1 for one source and 0 for the others, (groups, sources)."""
        return torch.eye(self.sources)[source].repeat(len(self.groups), 1)

    def weighted(self, weights: Tensor) -> dict[str, LowRank]:
        """Return Σ wᵢ ΔWᵢ exactly, of rank Σ rᵢ; on the processor, wherever ``weights`` were learned."""
        weights = weights.cpu()
        return {
            name: LowRank(pair.b * weights[self.rows[name]][self.owners[name]], pair.a)
            for name, pair in self.update.items()
        }

    def weigh(self, weights: Tensor) -> None:
        """Put ``weights`` on the sources in the body."""
        lora.fill(self.body, self.weighted(weights))

    def merged(self, weights: Tensor, rank: int | None) -> Merged:
        """Return Σ wᵢ ΔWᵢ, exactly, or its best approximation of at most ``rank``; with the facts of the truncation."""
        named_pairs = self.weighted(weights).items()
        if rank is not None:
            return collect((name, spectrum(pair, rank).truncated()) for name, pair in named_pairs)
        return collect((name, Truncated(pair, norm(pair) ** 2, 0.0)) for name, pair in named_pairs)

    def learnable(self, weights: Tensor) -> nn.Parameter:
        """Put weights that begin at ``weights`` on the sources and return them: all of the body that is trained."""
        self.weigh(torch.ones_like(weights))
        self.body.requires_grad_(False)
        learned = nn.Parameter(weights.to(next(self.body.parameters()).device, copy=True))
        for name, owners in self.owners.items():
            layer: Any = self.body.get_submodule(f"{lora.PREFIX}{name}")
            factor = layer.lora_B["default"]
            parametrize.register_parametrization(factor, "weight", _Columns(learned, self.rows[name], owners))
        return learned

    def by_group(self, weights: Tensor) -> dict[str, tuple[float, ...]]:
        """Return the weights of each group by its name."""
        return {name: tuple(row.tolist()) for name, row in zip(self.groups, weights, strict=True)}

    def composed(
        self,
        backbone: Backbone,
        weights: Tensor,
        rank: int | None,
        facts: Mapping[str, float],
        head: nn.Module | None = None,
        fit: FitRecord | None = None,
    ) -> Composed:
        """Return Σ wᵢ ΔWᵢ as one LoRA on a body of its own, of at most ``rank``; ``details`` holds the weights."""
        merged = self.merged(weights, rank)
        body, own = lora.attach(backbone, merged.update)
        return Composed(
            body,
            "lora",
            own,
            head=head,
            fit=fit,
            weights=tuple(weights.mean(dim=0).tolist()),
            facts={**merged.facts, **facts},
            details=self.by_group(weights),
        )


class _Columns(nn.Module):
    """b (out, Σ rᵢ) → its columns times their sources' weights."""

    def __init__(self, weights: nn.Parameter, row: int, owners: Tensor) -> None:
        super().__init__()
        self.weights, self.row, self.owners = weights, row, owners

    def forward(self, b: Tensor) -> Tensor:
        return b * self.weights[self.row][self.owners.to(b.device)]


def mixture(request: Request, per: Per = "source", span: int = 1) -> Mixture:
    """Return the sources of ``request`` in one body, with a row of weights for all modules, each layer or each module.

    Args:
        request: whose sources.
        per: which modules share a row; a layer of an encoder and one of a decoder never do.
        span: how many consecutive layers share one, where ``per`` is ``layer``.

    Raises:
        InputError: a source is no plain LoRA, or they belong to different models.
    """
    update, owners = side_by_side(request.updates)
    both = halves_apart(request, per) and {"encoder", "decoder"} <= {_half(module) for module in update}
    names = {module: _group(module, per, span, _half(module) if both else "") for module in update}
    groups = tuple(sorted(set(names.values()), key=_natural))
    rows = {module: groups.index(name) for module, name in names.items()}
    body, settings = lora.attach(request.backbone, update)
    return Mixture(body, settings, update, owners, rows, groups, len(request.sources))


def side_by_side(updates: Sequence[Mapping[str, LowRank]]) -> tuple[dict[str, LowRank], dict[str, Tensor]]:
    """Return the factors of all updates side by side, and for each column of b (row of a) the index of its update."""
    update, owners = {}, {}
    for module, pairs in aligned(updates):
        update[module] = stack(pairs, [1.0] * len(pairs))
        ranks = torch.tensor([pair.rank for pair in pairs])
        owners[module] = torch.arange(len(pairs)).repeat_interleave(ranks)
    return update, owners


def halves_apart(request: Request, per: Per) -> bool:
    """Return whether layer k of an encoder and layer k of a decoder may both be adapted, each with its own weights."""
    return per == "layer" and bool(getattr(request.backbone.config, "is_encoder_decoder", False))


def _half(module: str) -> str:
    """Return the half of an encoder-decoder that a module's name says it is in; empty where it names none."""
    match = re.search(r"(?:^|\.)(encoder|decoder)\.", module)
    return match[1] if match else ""


def _group(module: str, per: Per, span: int, half: str) -> str:
    if per == "source":
        return "all"
    number = re.search(r"\.(\d+)\.", module)
    if per == "module" or not number:
        return module
    first = int(number[1]) // span * span
    layers = f"layer {first}" if span == 1 else f"layers {first}-{first + span - 1}"
    return f"{half} {layers}" if half else layers


def _natural(name: str) -> list[tuple[int, str]]:
    """Return what sorts ``layer 10`` behind ``layer 2``."""
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", name)]
