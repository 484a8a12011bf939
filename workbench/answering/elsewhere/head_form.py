"""The head of a class of transformers, in this project's form: found by comparing with the class itself.

Classes differ in which token they read, and in what stands before their last layer. They say so in code alone, so the
few possibilities are tried on texts: the one whose logits are the sender's program's is the right one. If none is, the
adapter is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

import torch
from torch import nn

from adapter_workbench.workbench.adapters.manifest import HeadReference
from adapter_workbench.workbench.backbone.generation import learns_a_prompt
from adapter_workbench.workbench.backbone.pretrained import Pooling
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.methods.layered_head import ACTIVATIONS, LINEAR, NORM, build_head

if TYPE_CHECKING:
    from torch import Tensor

    from adapter_workbench.workbench.backbone.network import Network


@dataclass(frozen=True)
class MatchingHead:
    """A head, and how far its logits are from the sender's."""

    reference: HeadReference  # pooling and layers
    head: nn.Sequential  # what is pooled → logits
    off: float  # the largest difference of a logit, as a share of the largest logit


def matching_head(
    network: Network,
    layers: Mapping[str, nn.Module],
    batches: Any,
    wanted: Sequence[Tensor],
    rounding: float,
    pools: bool = True,
) -> MatchingHead:
    """Return the head that gives the sender's logits.

    Args:
        network: the adapted body; its own head and pooling do not count.
        layers: of the sender's head, in the order of the model.
        batches: of texts, padded.
        wanted: the sender's logits of each batch (batch, labels), or (batch, tokens, labels).
        rounding: how far from them a head's may be, as a share of the largest.
        pools: whether it reads one vector a text, else the state of each token.

    Raises:
        InputError: none does.
    """
    best: MatchingHead | None = None
    for virtual in (False, True) if pools and learns_a_prompt(network.body) else (False,):
        network.pool_prompt(virtual)
        states = [network.states(**batch) for batch in batches]
        for pooling in get_args(Pooling) if pools else [network.pooling]:
            network.pooling = pooling
            read = [
                network.pool(hidden, batch["attention_mask"]) if pools else hidden
                for hidden, batch in zip(states, batches, strict=True)
            ]
            for reference, head in _possible(pooling, layers):
                if (off := _distance(head, read, wanted)) is not None and (best is None or off < best.off):
                    best = MatchingHead(reference.model_copy(update={"virtual": virtual}), head, off)
    if best is None or not best.off <= rounding:
        named = ", ".join(layers)
        message = f"the sender's program computes its logits in a way that cannot be repeated here (layers: {named})"
        near = "" if best is None else f" The nearest way is off by {best.off:.1e} of the largest logit."
        raise InputError(message, hint=f"Its own program can still be used.{near}")
    return best


def difference(logits: Tensor, wanted: Tensor) -> float:
    """Return the largest difference as a share of the largest of ``wanted``; 0 where they are equal to the last bit."""
    return difference_of_batches([logits], [wanted])


def difference_of_batches(logits: Iterable[Tensor], wanted: Sequence[Tensor]) -> float:
    """Return the largest difference in any batch as a share of the largest of all of ``wanted``.

    A batch whose own logits are all small is rounded as its sums are, which are of numbers as large as in the others.
    """
    largest = torch.stack([right.abs().max() for right in wanted]).max()  # what is no number stays none
    off = torch.stack([(answer - right).abs().max() for answer, right in zip(logits, wanted, strict=True)]).max()
    return float(off / largest.clamp(min=1e-30))


def _possible(pooling: Pooling, layers: Mapping[str, nn.Module]) -> Iterator[tuple[HeadReference, nn.Sequential]]:
    """Yield each head that these layers can be: an activation before the last layer, or none.

    Where an activation is among the layers, the sender's program says where they are.
    """
    modules = [*layers.values()]
    yield _declared_head(pooling, modules)
    if len(modules) == 1 or any(_activation(module) for module in modules):
        return
    norms = [module for module in modules if isinstance(module, nn.LayerNorm)]  # dense, activation, norm: ModernBERT
    behind = norms or modules[-1:]
    for activation in ACTIVATIONS.values():
        yield _declared_head(
            pooling,
            [layer for module in modules for layer in ([activation(), module] if module in behind else [module])],
        )


def _declared_head(pooling: Pooling, modules: Sequence[nn.Module]) -> tuple[HeadReference, nn.Sequential]:
    """Return the head of these layers, activations included."""
    names = [_activation(module) or (NORM if isinstance(module, nn.LayerNorm) else LINEAR) for module in modules]
    eps = next((module.eps for module in modules if isinstance(module, nn.LayerNorm)), 1e-5)
    tensors = {
        f"{index}.{name}": tensor.detach()
        for index, module in enumerate(modules)
        for name, tensor in module.state_dict().items()
    }
    reference = HeadReference(pooling=pooling, layers=tuple(names), eps=eps)
    return reference, build_head(reference, tensors).eval()


def _activation(module: nn.Module) -> str | None:
    """Return what a layer without weights is called; None for one with weights."""
    return next((name for name, made in ACTIVATIONS.items() if repr(made()) == repr(module)), None)


def _distance(head: nn.Sequential, pooled: Sequence[Tensor], wanted: Sequence[Tensor]) -> float | None:
    try:
        return difference_of_batches(map(head, pooled), wanted)
    except RuntimeError:  # the layers do not follow each other
        return None
