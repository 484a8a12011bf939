"""The sizes of a BERT-, LLaMA- or T5-like transformer, under one name each, from its config."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from adapter_workbench.workbench.errors import InputError


@dataclass(frozen=True)
class Shape:
    """What :mod:`adapter_workbench.workbench.training.cost_model` reads off a config."""

    hidden: int  # width of a token between layers
    inner: int  # width inside the feed-forward part
    key_value: int  # width of all keys of a token together, and of all values
    heads: int  # of one attention
    layers: int  # of encoder and decoder together
    attentions: int  # of all layers together; a decoder that reads an encoder has two a layer
    vocabulary: int  # how many tokens there are
    gated: bool  # whether the feed-forward part multiplies by a gate
    rms: bool  # whether norms are RMSNorm
    dropout: bool  # whether there is some on what a layer gives out
    maps: int  # how many maps of attention scores are kept for the backward pass; 0 where attention is fused


def shape_of(config: Any) -> Shape:
    """Return the shape of a BERT-, LLaMA- or T5-like model; a decoder that reads an encoder attends twice a layer.

    Raises:
        InputError: the config does not tell it.
    """
    missing = [
        name for name in ("hidden_size", "num_attention_heads", "num_hidden_layers") if not hasattr(config, name)
    ]
    if missing:
        message = f"the config of a {config.model_type} does not have {', '.join(missing)}"
        raise InputError(message, hint="The cost model is for BERT-, LLaMA- and T5-like transformers.")
    heads = config.num_attention_heads
    encoders, decoders = config.num_hidden_layers, getattr(config, "num_decoder_layers", None) or 0
    decoders = decoders if getattr(config, "is_encoder_decoder", False) else 0
    width = getattr(config, "head_dim", None) or getattr(config, "d_kv", None) or config.hidden_size // heads
    dropout = max(getattr(config, name, 0) or 0 for name in ("hidden_dropout_prob", "dropout_rate", "dropout"))
    on_scores = max(getattr(config, name, 0) or 0 for name in ("attention_probs_dropout_prob", "attention_dropout"))
    maps = 3 if on_scores > 0 or (decoders and dropout > 0) else 1 if decoders else 0
    return Shape(
        hidden=config.hidden_size,
        inner=getattr(config, "intermediate_size", None) or getattr(config, "d_ff", None) or 4 * config.hidden_size,
        key_value=(getattr(config, "num_key_value_heads", None) or heads) * width,
        heads=heads,
        layers=encoders + decoders,
        attentions=encoders + 2 * decoders,
        vocabulary=config.vocab_size,
        gated=bool(getattr(config, "is_gated_act", hasattr(config, "rms_norm_eps"))),
        rms=hasattr(config, "rms_norm_eps") or decoders > 0,
        dropout=dropout > 0,
        maps=maps,
    )
