"""The output layer that a language model was pretrained with: read from the checkpoint, without the model around it."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from adapter_workbench.workbench.backbone.architecture import is_seq2seq
from adapter_workbench.workbench.backbone.checkpoint import BROKEN
from adapter_workbench.workbench.backbone.stored_tensors import assign_tensors
from adapter_workbench.workbench.errors import InputError, opening

if TYPE_CHECKING:
    from transformers import PretrainedConfig

    from adapter_workbench.workbench.backbone.pretrained import Backbone
    from adapter_workbench.workbench.backbone.stored_tensors import Assignment

PROBE = [[1, 2, 3]]  # token ids
LARGEST = 30.0  # logit that is tried: an architecture that caps large logits changes it by 1 % or more


class OutputLayer(nn.Module):
    """A backbone's own map from token states to next-token logits; it has nothing to train and nothing to store.

    It computes in float32 also inside an autocast region: in bfloat16 (8 bits) near tokens become ties.
    """

    weight: Tensor
    bias: Tensor | None

    def __init__(self, weight: Tensor, bias: Tensor | None, scale: float = 1.0) -> None:
        """Take over weight (vocabulary, hidden_size) and bias (vocabulary,); neither is copied.

        ``scale`` multiplies the states first. A T5 whose output layer is its embeddings was trained with
        hidden_size^-0.5 (Raffel et al. 2020, arXiv:1910.10683; as mesh-tensorflow does).
        """
        super().__init__()
        self.scale = scale
        self.register_buffer("weight", weight, persistent=False)
        self.register_buffer("bias", bias, persistent=False)

    def forward(self, states: Tensor) -> Tensor:
        """Return logits (…, vocabulary) of states (…, hidden_size)."""
        with torch.autocast(states.device.type, enabled=False):
            return nn.functional.linear(states.float() * self.scale, self.weight, self.bias)


def output_layer(backbone: Backbone) -> OutputLayer:
    """Return the output layer that a language model was pretrained with (often its embeddings).

    Raises:
        InputError: the backbone has no such layer, or computes its logits in another way.
    """
    layer, is_linear = _read_layer(backbone) or _layer_of_loaded(backbone)
    if not is_linear:
        raise InputError(
            f"{backbone.name!r} does not compute its logits by one linear layer on its last states",
            hint="Such an architecture (scaled or capped logits) is not supported where answers are generated.",
        )
    return layer


def _loader(config: PretrainedConfig) -> Any:
    from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM

    return AutoModelForSeq2SeqLM if is_seq2seq(config) else AutoModelForCausalLM


def _read_layer(backbone: Backbone) -> tuple[OutputLayer, bool] | None:
    """Return the layer's own tensors and whether logits are what it makes of the last states.

    Returns:
        None where the whole model has to be loaded to tell.
    """
    where = str(backbone.folder)
    with opening("the model", where, BROKEN), torch.device("meta"), torch.random.fork_rng(devices=[]):
        lm = _loader(backbone.config).from_config(copy.deepcopy(backbone.config))
    assignment, layer = assign_tensors(lm.eval(), backbone.folder), lm.get_output_embeddings()
    if assignment is None or not isinstance(layer, nn.Linear):
        return None
    names = {id(parameter): name for name, parameter in lm.named_parameters()}
    with opening("the model", where, BROKEN):
        weight, bias = (
            None if tensor is None else assignment.parameters[names[id(tensor)]].read()
            for tensor in (layer.weight, layer.bias)
        )
        assert weight is not None  # a linear layer has one
        output = OutputLayer(weight, bias, _scale(backbone.config))
        is_linear = _is_linear(lm, layer, output, assignment)
    return None if is_linear is None else (output, is_linear)


@torch.inference_mode()
def _is_linear(lm: Any, layer: nn.Linear, output: OutputLayer, assignment: Assignment) -> bool | None:
    """Return whether ``lm`` gives the same logits as ``output``; None where only the loaded model can show it.

    The layers below hand on states that are drawn from a fixed seed, so that they need no numbers.
    """
    from transformers.modeling_outputs import BaseModelOutput, BaseModelOutputWithPastAndCrossAttentions

    decoder = lm.get_decoder()
    decoder = lm.base_model if decoder is lm else decoder
    if decoder is lm:
        return None
    ids = torch.tensor(PROBE)
    states = torch.randn(*ids.shape, output.weight.shape[1], generator=torch.Generator().manual_seed(0))
    states *= LARGEST / output(states).abs().max().clamp(min=1e-6)
    decoder.forward = lambda *_, **__: BaseModelOutputWithPastAndCrossAttentions(last_hidden_state=states)
    layer.weight = nn.Parameter(output.weight, requires_grad=False)
    if output.bias is not None:
        layer.bias = nn.Parameter(output.bias, requires_grad=False)
    for name, _ in lm.named_buffers(recurse=False):  # as the bias that some add to the logits
        if name not in assignment.buffers:
            return None
        setattr(lm, name, assignment.buffers[name].read())
    inputs: dict[str, Any] = {"input_ids": ids}
    if is_seq2seq(lm.config):
        inputs = {"decoder_input_ids": ids, "encoder_outputs": BaseModelOutput(last_hidden_state=states)}
    try:
        logits = lm(**inputs).logits
    except Exception:  # whatever an architecture does with parts that have no numbers: it is loaded instead
        return None
    return None if logits.is_meta else torch.allclose(output(states), logits, rtol=1e-4, atol=1e-4)


def _layer_of_loaded(backbone: Backbone) -> tuple[OutputLayer, bool]:
    """Return the layer of the loaded language model, and whether its logits are what it makes of the last states."""
    lm, loading_info = backbone.pretrained(_loader(backbone.config))
    layer = lm.get_output_embeddings()
    if loading_info["missing_keys"] or layer is None:
        missing = ", ".join(sorted(loading_info["missing_keys"])) or "an output layer"
        raise InputError(f"{missing} is missing in the weights of {backbone.name!r}", where=str(backbone.folder))
    bias = getattr(layer, "bias", None)
    output = OutputLayer(layer.weight.detach(), None if bias is None else bias.detach(), _scale(backbone.config))
    ids, two_halves = torch.tensor(PROBE), is_seq2seq(backbone.config)
    inputs = {"input_ids": ids, **({"decoder_input_ids": ids} if two_halves else {})}
    with torch.inference_mode():
        logits_of_model = lm.eval()(**inputs).logits
        body = backbone.load() if two_halves else lm.base_model  # a T5's layers do not stand in a model of their own
        logits = output(body(**inputs).last_hidden_state)
    return output, torch.allclose(logits, logits_of_model, rtol=1e-4, atol=1e-4)


def _scale(config: PretrainedConfig) -> float:
    """Return what the states are multiplied by on their way to the output layer."""
    if config.model_type not in {"t5", "mt5", "umt5"}:
        return 1.0
    # transformers 5 calls every T5 tied, and keeps what the file says of it under a name of its own
    tied = getattr(config, "scale_decoder_outputs", config.tie_word_embeddings)
    return float(config.hidden_size**-0.5) if tied else 1.0
