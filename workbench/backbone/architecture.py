"""The parts of a transformer, found by building its config without weights."""

from __future__ import annotations

import json
import re
from copy import deepcopy
from functools import lru_cache
from typing import TYPE_CHECKING

from adapter_workbench.workbench.backbone.transformers_api import MODERN, ROTARY
from adapter_workbench.workbench.errors import opening

if TYPE_CHECKING:
    from torch import nn
    from transformers import PretrainedConfig

ATTENTION = re.compile("attn|attention", re.IGNORECASE)
UNREAD = ("pooler.",)  # made from the last states for a head that is never there


def is_causal(config: PretrainedConfig) -> bool:
    """Return whether a checkpoint says that it is a causal language model."""
    return any(name.endswith(("ForCausalLM", "GPT2LMHeadModel")) for name in config.architectures or [])


def is_seq2seq(config: PretrainedConfig) -> bool:
    """Return whether a checkpoint says that it is an encoder-decoder that generates text."""
    generates = any(name.endswith("ForConditionalGeneration") for name in config.architectures or [])
    return bool(config.is_encoder_decoder) and generates


def skeleton(config: PretrainedConfig) -> nn.Module:
    """Return the transformer of ``config`` with shapes and names but no numbers; it takes no memory."""
    return _new_model(json.dumps(config.to_dict(), sort_keys=True, default=str))


def parameters(config: PretrainedConfig) -> list[str]:
    """Return the names of the parameters whose values reach the states, in the model's order."""
    return [name for name, _ in skeleton(config).named_parameters() if not name.startswith(UNREAD)]


def linear_layers(config: PretrainedConfig) -> list[str]:
    """Return the names of the linear layers whose outputs reach the states, in the model's order.

    Embeddings and an output layer are not among them. Those of GPT-2, which are stored transposed, are.
    """
    from torch.nn import Linear
    from transformers.pytorch_utils import Conv1D

    modules = skeleton(config).named_modules()
    return [name for name, module in modules if isinstance(module, Linear | Conv1D) and not name.startswith(UNREAD)]


def attention_matrices(config: PretrainedConfig) -> list[str]:
    """Return those of :func:`linear_layers` that lie in a module whose name says that it is attention's.

    ``encoder.layer.0.attention.attn.q`` of MPNet is one, ``encoder.layer.0.output.dense`` is none. Architectures whose
    attention has no linear layers, as XLNet, have none.
    """
    return [name for name in linear_layers(config) if ATTENTION.search(name.rpartition(".")[0])]


def biases(config: PretrainedConfig) -> frozenset[str]:
    """Return the names of all bias vectors, those of normalisation layers included."""
    return frozenset(name for name in parameters(config) if is_bias(name))


def is_bias(name: str) -> bool:
    """Return whether a parameter is a bias by its name: DeBERTa calls some ``q_bias``, XLNet ``r_w_bias``."""
    last = name.rpartition(".")[2]
    return last == "bias" or last.endswith("_bias")


def normalisations(config: PretrainedConfig) -> frozenset[str]:
    """Return the names of gains and biases of the normalisation layers (LayerNorm, RMSNorm)."""
    return frozenset(
        f"{module_name}.{name}"
        for module_name, module in skeleton(config).named_modules()
        if "norm" in type(module).__name__.lower()
        for name, _ in module.named_parameters(recurse=False)
    )


def blocks(config: PretrainedConfig) -> list[str]:
    """Return the names of the transformer's blocks in the order of the computation, an encoder's before a decoder's."""
    from torch.nn import ModuleList

    block_names: list[str] = []
    for name, module in skeleton(config).named_modules():
        outermost = not any(name.startswith(f"{block}.") for block in block_names)
        if isinstance(module, ModuleList) and outermost:
            block_names += [f"{name}.{index}" for index in range(len(module))]
    return block_names


def state_width(config: PretrainedConfig) -> int:
    """Return how wide the last states are: in OPT-350m, which projects them, not as wide as those between layers."""
    return int(getattr(config, "word_embed_proj_dim", None) or config.hidden_size)


def positions(config: PretrainedConfig) -> int | None:
    """Return the number of positions; None where texts may have any length.

    RoBERTa and its like count positions from behind that of the padding token, so that no token has the first ones.
    """
    stated = getattr(config, "max_position_embeddings", None)
    if not isinstance(stated, int) or stated < 1:  # XLNet's is -1
        return None
    tables = [module for name, module in skeleton(config).named_modules() if name.endswith("position_embeddings")]
    padding = [index for table in tables if (index := getattr(table, "padding_idx", None)) is not None]
    return stated - max(padding, default=-1) - 1


def counts_padding(config: PretrainedConfig) -> bool:
    """Return whether padding before a text may change its states: it does not where positions are rotary."""
    return not any(hasattr(config, name) for name in (MODERN, *ROTARY))


def has_token_types(config: PretrainedConfig) -> bool:
    """Return whether a model tells the texts of a pair by token types. GPT-2 would take them for words."""
    return bool(getattr(config, "type_vocab_size", 0)) or config.model_type == "xlnet"


def new_model(config: PretrainedConfig) -> nn.Module:
    """Return a new model of ``config`` on the device and in the mode that torch is set to.

    Raises:
        InputError: there is no model with such sizes and rates.
    """
    from transformers import AutoModel

    with opening("the model that the config describes", config.name_or_path or str(config.model_type)):
        model: nn.Module = AutoModel.from_config(deepcopy(config))  # what is done to the model is not done to others
    return model


@lru_cache(maxsize=8)
def _new_model(content: str) -> nn.Module:
    import torch
    from transformers import AutoConfig

    from adapter_workbench.workbench.backbone.init_free import Undrawn

    stated = json.loads(content)
    with opening("the config", stated.get("_name_or_path") or str(stated.get("model_type"))):
        config = AutoConfig.for_model(**stated)
    with torch.device("meta"), torch.random.fork_rng(devices=[]), Undrawn():
        return new_model(config)
