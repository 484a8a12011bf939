"""The output layer that a backbone was pretrained with, causal or masked, over the states of any body."""

from __future__ import annotations

from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from adapter_workbench.workbench.backbone.architecture import is_causal
from adapter_workbench.workbench.backbone.output_layer import OutputLayer, output_layer
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.methods.kinds import KINDS
from adapter_workbench.workbench.methods.model import TaskModel

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapter_workbench.workbench.backbone.pretrained import Backbone
    from adapter_workbench.workbench.machine.device import Precision
    from adapter_workbench.workbench.probes import ProbeContext

TRIED = [[1, 2, 3]]  # token ids
KIND = "classification"  # of a model that answers no task: any


def language_head(backbone: Backbone) -> nn.Module:
    """Return the map from token states (…, tokens, hidden_size) to logits (…, tokens, vocabulary), in float32.

    Raises:
        InputError: the checkpoint holds no such layer (a sentence encoder's seldom does).
    """
    return output_layer(backbone) if is_causal(backbone.config) else _masked_head(backbone)


@lru_cache(maxsize=8)
def no_language_head(backbone: Backbone) -> str | None:
    """Return why a backbone cannot predict tokens, or None."""
    try:
        language_head(backbone)
    except InputError as error:
        return error.what
    return None


def head_beside(model: TaskModel, context: ProbeContext) -> nn.Module:
    """Return the language head on the model's device: the model's own head where that is an output layer.

    Else it is that of a whole model that somebody trained, and the backbone's where it was saved without one.

    Raises:
        InputError: as :func:`language_head` does.
    """
    if isinstance(model.head, OutputLayer):
        return model.head
    has_own = context.own is not None and no_language_head(context.own) is None
    pretrained = context.own if context.own and has_own else context.backbone
    return language_head(pretrained).to(next(model.parameters()).device)


def bare_model(backbone: Backbone, precision: Precision) -> TaskModel:
    """Return the backbone without any method's weights, under its language head; raises as :func:`language_head`."""
    head = language_head(backbone)
    return TaskModel(backbone.load(precision=precision), head, KINDS.get(KIND), backbone.pooling, precision).eval()


class MaskedHead(nn.Module):
    """A masked language model whose transformer is replaced by one that returns its input: only the head is left."""

    def __init__(self, lm: Any) -> None:
        """Take over ``lm``; its transformer is dropped."""
        super().__init__()
        setattr(lm, lm.base_model_prefix, _HandOn())
        self.lm = lm

    def forward(self, states: Tensor) -> Tensor:
        """Return logits (tokens, vocabulary) of states (tokens, hidden_size)."""
        logits: Tensor = self.lm(input_ids=states.unsqueeze(0)).logits[0]
        return logits


@contextmanager
def _silence() -> Iterator[None]:
    from transformers.utils import logging

    level = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(level)


class _HandOn(nn.Module):
    def forward(self, input_ids: Tensor, *_: Any, **__: Any) -> Any:
        from transformers.modeling_outputs import BaseModelOutput

        return BaseModelOutput(last_hidden_state=input_ids)


def _masked_head(backbone: Backbone) -> MaskedHead:
    from transformers import AutoModelForMaskedLM
    from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES

    if backbone.config.model_type not in MODEL_FOR_MASKED_LM_MAPPING_NAMES or backbone.tokenizer.mask_token_id is None:
        raise InputError(f"{backbone.name!r} is neither a causal nor a masked language model")
    with torch.random.fork_rng(devices=[]), _silence():  # missing weights are drawn, with advice to train them
        lm, report = backbone.pretrained(AutoModelForMaskedLM)
    own = sorted(name for name in report["missing_keys"] if not name.startswith(f"{lm.base_model_prefix}."))
    if own:
        raise InputError(
            f"the weights of {backbone.name!r} lack the output layer of its pretraining ({own[0]}, …)",
            where=str(backbone.folder),
        )
    ids = torch.tensor(TRIED)
    with torch.inference_mode():
        wanted = lm.eval()(input_ids=ids).logits[0]
        states = lm.base_model(input_ids=ids)[0][0]
        head = MaskedHead(lm).eval()
        if not torch.allclose(head(states), wanted, rtol=1e-4, atol=1e-4):
            raise InputError(f"{backbone.name!r} does not compute its logits from its last states alone")
    return head
