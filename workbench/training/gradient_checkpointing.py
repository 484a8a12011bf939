"""Gradient checkpointing: a layer's activations are computed again in the backward pass instead of being kept.

Chen et al. 2016 (arXiv:1604.06174), in torch's non-reentrant form: random numbers and autocast are restored for the
second computation, so that gradients are the same to the last bit. Only in an encoder-decoder, whose layers share what
they read, are sums taken in another order. It saves memory and takes one more forward pass.
"""

from __future__ import annotations

from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from adapter_workbench.workbench.backbone.architecture import skeleton
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.machine.memory import available
from adapter_workbench.workbench.methods.methods import METHODS
from adapter_workbench.workbench.training.cost_model import LEFT_OVER, Prediction, Workload

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn
    from transformers import PretrainedConfig

    from adapter_workbench.workbench.backbone.pretrained import Backbone
    from adapter_workbench.workbench.machine.device import Precision
    from adapter_workbench.workbench.methods.adaptation import Adaptation
    from adapter_workbench.workbench.settings.base import Budget


@contextmanager
def checkpoint_layers(body: nn.Module, wanted: bool = True) -> Iterator[None]:
    """Let the layers of ``body`` keep no more than what they read while it trains, if that is ``wanted``.

    A language model then keeps no keys and values of earlier tokens either, unless a caller asks for them.
    """
    if not wanted:
        yield
        return
    transformer = transformer_in(body)
    caching = getattr(transformer.config, "use_cache", None)
    transformer.gradient_checkpointing_enable({"use_reentrant": False})
    if caching:
        transformer.config.use_cache = False
    try:
        yield
    finally:
        transformer.gradient_checkpointing_disable()
        if caching:
            transformer.config.use_cache = caching


def transformer_in(body: nn.Module) -> Any:
    """Return the transformer inside a body that a library may have wrapped."""
    from transformers import PreTrainedModel

    return next(module for module in body.modules() if isinstance(module, PreTrainedModel))


def require_checkpointing(method: str, config: PretrainedConfig, where: str | None = None) -> None:
    """Make sure that a method on this architecture can compute activations again.

    Raises:
        InputError: it cannot.
    """
    if (why := _objection(method, config)) is not None:
        hint = "Leave budget.checkpointing out, or set it to off."
        raise InputError(f"gradient checkpointing is not possible: {why}", where=where, hint=hint)


def is_checkpointed(adaptation: Adaptation, budget: Budget, answer: int, body: nn.Module | None = None) -> bool:
    """Return whether a fit computes activations again; ``auto`` means: if a step would not fit into memory otherwise.

    Args:
        adaptation: what is fitted.
        budget: of the fit.
        answer: tokens that each example is learned to be answered with, 0 where there is a head.
        body: the adapted body, if it is in memory already.
    """
    if budget.checkpointing != "auto":
        return budget.checkpointing == "on"
    config = adaptation.backbone.config
    if config.is_encoder_decoder or _objection(adaptation.method, config):
        return False
    prediction, room = _predict_step(adaptation, budget, answer, checkpointing=False, body=body), available()
    if prediction is None or room is None:
        return False
    return (prediction.peak if body is None else prediction.step) * (1 + LEFT_OVER) > room


def label_tokens(budget: Budget, answer: int) -> int:
    """Return how many tokens of a batch have a loss of their own, for answers of so many tokens."""
    return budget.batch_size * min(answer, budget.max_length)


def predict_step(adaptation: Adaptation, budget: Budget, answer: int) -> Prediction | None:
    """Return what a training step takes as a fit would make it; None where the architecture is not known."""
    return _predict_step(adaptation, budget, answer, is_checkpointed(adaptation, budget, answer))


def _predict_step(
    adaptation: Adaptation, budget: Budget, answer: int, checkpointing: bool, body: nn.Module | None = None
) -> Prediction | None:
    shape = budget.batch_size, budget.max_length, label_tokens(budget, answer)
    if body is not None and not adaptation.backbone.quantization:  # packed, it does not tell its sizes
        try:
            return Workload.of(adaptation, *shape, checkpointing=checkpointing, adapted=body).predict()
        except InputError:
            return None
    settings = adaptation.settings.model_dump_json(exclude={"learning_rate"})  # which memory does not depend on
    return _looked_up(adaptation.backbone, adaptation.method, settings, adaptation.precision, *shape, checkpointing)


@lru_cache(maxsize=1024)
def _looked_up(
    backbone: Backbone,
    method: str,
    settings: str,
    precision: Precision,
    batch_size: int,
    length: int,
    answered: int,
    checkpointing: bool,
) -> Prediction | None:
    """Return the prediction, which is cached: many pieces of a plan have the same step, and computing it takes long."""
    from adapter_workbench.workbench.methods.adaptation import Adaptation

    adaptation = Adaptation(backbone, method, METHODS.get(method).settings.model_validate_json(settings), precision)
    try:
        return Workload.of(adaptation, batch_size, length, answered, checkpointing=checkpointing).predict()
    except InputError:
        return None


def _objection(method: str, config: PretrainedConfig) -> str | None:
    if not METHODS.get(method).recomputes:
        return f"{method} makes the weights of all layers before the first"
    model: Any = skeleton(config)
    if not model.supports_gradient_checkpointing:
        return f"the layers of a {config.model_type} cannot recompute their activations"
    return None
