"""Tiny base models of several architectures, each a folder with the words that all tests use."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.tiny_models import WORDS, write_model

SIZES: dict[str, Any] = {
    "vocab_size": len(WORDS) + 5,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 64,
    "initializer_range": 0.3,
    "pad_token_id": 0,
}
GPT = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64}
HALVES = {"encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 4, "decoder_attention_heads": 4}
FEED = {"encoder_ffn_dim": 64, "decoder_ffn_dim": 64, "init_std": 0.3}
STARTS = {"bos_token_id": 2, "eos_token_id": 3, "cls_token_id": 2, "sep_token_id": 3}
KEYS: dict[str, dict[str, Any]] = {
    "roberta": {},
    "distilbert": {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 64},
    "electra": {"embedding_size": 16},
    "albert": {"embedding_size": 16},
    "deberta-v2": {"relative_attention": True, "pos_att_type": ["p2c", "c2p"]},
    "modernbert": {**STARTS, "reference_compile": False},
    "mpnet": {},
    "xlnet": {"d_model": 32, "n_layer": 2, "n_head": 4, "d_inner": 64, "max_position_embeddings": None},
    "gpt2": GPT,
    "qwen2": {"num_key_value_heads": 2},
    "bart": {"d_model": 32, **HALVES, **FEED, **STARTS, "decoder_start_token_id": 3, "forced_eos_token_id": 3},
}
GENERATES = {"gpt2": "AutoModelForCausalLM", "qwen2": "AutoModelForCausalLM", "bart": "AutoModelForSeq2SeqLM"}
WITH_TYPES = ("albert", "deberta-v2", "electra", "xlnet")


def write_base(folder: Path, kind: str, **tokenizer_settings: Any) -> Path:
    """Write a model of this architecture and a tokenizer."""
    import transformers

    keys = {name: value for name, value in (SIZES | KEYS[kind]).items() if value is not None}
    config = transformers.AutoConfig.for_model(kind, **keys)
    loader = getattr(transformers, GENERATES.get(kind, "AutoModel"))
    read = {} if kind in WITH_TYPES else {"model_input_names": ["input_ids", "attention_mask"]}
    side = {"padding_side": "left"} if kind == "xlnet" else {}
    return write_model(folder, loader.from_config, config, **(read | side | tokenizer_settings))
