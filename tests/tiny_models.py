"""Tiny real models built from configs, each a folder with a tokenizer of whole words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

SUBJECTS = "cat dog bird fish horse mouse cow sheep".split()
FRUITS = "apple pear plum grape lemon cherry fig peach".split()
FILLERS = "the a one some this that very quite really often".split()
WORDS = [*SUBJECTS, *FRUITS, *FILLERS]


SIZES: dict[str, Any] = {  # of a config, as BERT and LLaMA call them
    "vocab_size": len(WORDS) + 5,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 64,
    "initializer_range": 0.3,
}


def write_bert(folder: Path, **changes: int) -> Path:
    """Write a BERT of 2 layers × 32, or with other sizes."""
    from transformers import BertConfig, BertModel

    return write_model(folder, BertModel, BertConfig(**SIZES | changes))


def write_llama(folder: Path, **changes: int) -> Path:
    """Write a LLaMA of 2 layers × 32, or with other sizes."""
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(**SIZES | {"num_key_value_heads": 2, "pad_token_id": 0} | changes)
    return write_model(folder, LlamaForCausalLM, config)


def write_t5(folder: Path) -> Path:
    """Write a T5 of 2 + 2 layers × 32."""
    from transformers import T5Config, T5ForConditionalGeneration

    config = T5Config(
        vocab_size=len(WORDS) + 5,
        d_model=32,
        d_kv=8,
        d_ff=64,
        num_layers=2,
        num_heads=4,
        pad_token_id=0,
        eos_token_id=3,
        decoder_start_token_id=0,
        initializer_factor=1.0,
        dropout_rate=0.0,
    )
    inputs = {"model_input_names": ["input_ids", "attention_mask"]}
    return write_model(folder, T5ForConditionalGeneration, config, **inputs)


def write_model(folder: Path, model_class: type, config: object, **tokenizer_settings: object) -> Path:
    """Write a model of this config, drawn from a fixed seed, and the tokenizer."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    vocabulary = {word: index for index, word in enumerate([*specials, *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    names = {
        "pad_token": "[PAD]",
        "unk_token": "[UNK]",
        "cls_token": "[CLS]",
        "sep_token": "[SEP]",
        "eos_token": "[SEP]",
    }
    wrapped = PreTrainedTokenizerFast(tokenizer_object=tokenizer, mask_token="[MASK]", **names, **tokenizer_settings)
    wrapped.save_pretrained(folder)
    torch.manual_seed(0)
    model_class(config).save_pretrained(folder)
    return folder
