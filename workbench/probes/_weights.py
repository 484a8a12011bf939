"""How a model's weight matrices differ from the pretrained ones: ΔW by layer, as low-rank factors where it is that."""

from __future__ import annotations

import copy
import re
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from adapter_workbench.workbench.backbone.bf16_matrices import widen
from adapter_workbench.workbench.methods.libraries.diff import Differing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from adapter_workbench.workbench.backbone.pretrained import Backbone

BLOCK = re.compile(r"(?:^|\.)(?:layers?|h|blocks?)\.(\d+)\.")
EMBEDDING = re.compile(r"(?:^|\.)(?:\w*embed\w*|wte|wpe|shared)\.")
WRAPPED = "base_model.model."  # what peft puts before the names of the model that it wraps


@dataclass(frozen=True)
class Change:
    """One weight matrix that is not what it was; in float32 on the processor, outputs in rows."""

    name: str  # of the parameter in the backbone
    # k of the kth transformer block (from 1), which puts out the hidden states ``layer-k``; 0 of the embeddings; None
    # of a matrix outside both
    layer: int | None
    weight: Tensor  # W, pretrained (out, in)
    dense: Tensor | None  # ΔW (out, in), without what the factors give; None where they give all of it
    # B (out, rank) and A (rank, in) of a low-rank update B A, scaling inside B; None where there is none
    factors: tuple[Tensor, Tensor] | None

    @cached_property
    def delta(self) -> Tensor:
        """ΔW as one matrix (out, in)."""
        if self.factors is None:
            return torch.zeros_like(self.weight) if self.dense is None else self.dense
        product: Tensor = self.factors[0] @ self.factors[1]
        return product if self.dense is None else self.dense + product

    @cached_property
    def singular_values(self) -> Tensor:
        """Those of ΔW, descending, in float64: (rank,) from the factors alone, else (min(out, in),).

        Of B A = Q_B (R_B R_Aᵀ) Q_Aᵀ they are those of the core R_B R_Aᵀ (rank × rank). Of a dense matrix they are the
        roots of the eigenvalues of its smaller Gram matrix, several times as fast as an SVD; in float64 that tells
        values down to 1e-8 of the largest, less than what float32 weights hold.
        """
        if self.dense is None and self.factors is not None:
            left, right = (
                torch.linalg.qr(factor.double(), mode="r").R for factor in (self.factors[0], self.factors[1].T)
            )
            values: Tensor = torch.linalg.svdvals(left @ right.T)
        else:
            values = torch.linalg.eigvalsh(smaller_gram(self.delta)).flip(0).clamp(min=0).sqrt()
        return values


def smaller_gram(matrix: Tensor) -> Tensor:
    """Return M Mᵀ or MᵀM of a matrix (out, in), whichever is smaller, in float64."""
    exact = matrix.double()
    return exact @ exact.T if exact.shape[0] <= exact.shape[1] else exact.T @ exact


def layer_of(name: str, encoder_blocks: int = 0) -> int | None:
    """Return the layer that a backbone's parameter belongs to, as :attr:`Change.layer` counts them.

    Blocks are recognised by ``layer.3.``, ``layers.3.``, ``h.3.`` or ``blocks.3.`` in the name, as in transformers.
    Those of an encoder-decoder's decoder are counted after the ``encoder_blocks`` of its encoder.
    """
    if block := BLOCK.search(name):
        return int(block[1]) + 1 + (encoder_blocks if name.startswith("decoder.") else 0)
    return 0 if EMBEDDING.search(name) else None


def layers(changes: Iterable[Change]) -> dict[int, list[Change]]:
    """Return the changes of each layer that has any, in the layers' order; what has no layer is left out."""
    by_layer: defaultdict[int, list[Change]] = defaultdict(list)
    for change in changes:
        if change.layer is not None:
            by_layer[change.layer].append(change)
    return dict(sorted(by_layer.items()))


@torch.no_grad()
def changes(body: nn.Module, backbone: Backbone) -> Iterator[Change]:
    """Yield every weight matrix of ``backbone`` (linear layers and embeddings) that is another one in ``body``.

    What a method trains in place, what peft merges into a matrix and what diff-pruning adds to it is a change of it.
    What stands beside the backbone's matrices, as a bottleneck adapter does, changes none. ``body`` is left as it is.
    """
    from transformers.pytorch_utils import Conv1D

    two_halves = backbone.config.is_encoder_decoder
    encoder_blocks = backbone.config.num_hidden_layers if two_halves else 0  # the encoder's, as transformers has it
    added: dict[int, Tensor] = {}  # id of a parameter → the difference beside it
    if isinstance(body, Differing):
        added = {id(body.base.get_parameter(name)): beside for name, beside in zip(body.names, body.diff, strict=True)}
        body = body.base
    now = {name.removeprefix(WRAPPED): module for name, module in body.named_modules()}
    for name, module in backbone.load().named_modules():
        if not isinstance(module, nn.Linear | nn.Embedding | Conv1D) or name not in now:
            continue
        current, factors = now[name], None
        if hasattr(current, "get_base_layer"):  # a layer of peft's
            current, factors = _unwrap(current)
        transposed = isinstance(module, Conv1D)
        before, after = (_matrix(layer.weight, transposed) for layer in (module, current))
        if id(current.weight) in added:
            after = after + _matrix(added[id(current.weight)], transposed)
        change = Change(
            name=f"{name}.weight",
            layer=layer_of(f"{name}.weight", encoder_blocks),
            weight=before,
            dense=None if torch.equal(before, after) else after - before,
            factors=factors,
        )
        if change.delta.any():
            yield change


def packed(backbone: Backbone) -> str | None:
    """Return why the matrices of a backbone cannot be compared, or None: bits are no numbers of a matrix."""
    return f"its matrices are packed ({backbone.quantization})" if backbone.quantization else None


def _matrix(parameter: Tensor, transposed: bool) -> Tensor:
    weight = parameter.detach().float().cpu()
    return weight.T.contiguous() if transposed else weight


def _unwrap(layer: Any) -> tuple[Any, tuple[Tensor, Tensor] | None]:
    """Return a matrix's module and the low-rank update beside it; what is not plain LoRA is merged into a copy."""
    from peft.tuners.lora import Linear

    base, active = layer.get_base_layer(), layer.active_adapters
    if layer.merged or layer.disable_adapters:
        return base, None
    if type(layer) is Linear and not layer.lora_variant:
        own = [name for name in active if name in layer.lora_A]
        b = [layer.scaling[name] * layer.lora_B[name].weight for name in own]
        a = [layer.lora_A[name].weight for name in own]
        return base, (torch.cat(b, dim=1).float().cpu(), torch.cat(a).float().cpu()) if own else None
    merged = widen(copy.deepcopy(layer))
    merged.merge()
    return merged.get_base_layer(), None
