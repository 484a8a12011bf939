"""Tiny pretrained models of several architectures, as folders: made from configs, with another model's tokenizer."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.backbone.pretrained import Backbone

SIZES = {"vocab_size": 31, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "pad_token_id": 0}
LLAMA = {"intermediate_size": 64, "num_key_value_heads": 2}
T5 = {"d_model": 32, "num_layers": 2, "d_kv": 8, "d_ff": 64, "decoder_start_token_id": 0}
HALF = {"layers": 1, "attention_heads": 4, "ffn_dim": 64}
BART = {"d_model": 32, **{f"{half}_{name}": size for half in ("encoder", "decoder") for name, size in HALF.items()}}


def saved(
    architecture: str, tokenizer: Path, folder: Path, dtype: torch.dtype = torch.float32, **settings: Any
) -> Path:
    """Write a tiny model of ``architecture``, a class of transformers, into ``folder``; return that.

    Args:
        architecture: name of the class.
        tokenizer: a model's folder, whose tokenizer is copied.
        folder: is made.
        dtype: of the stored numbers.
        settings: of its config, beside :data:`SIZES`; ``max_shard_size`` is that of the files.
    """
    import transformers

    shutil.copytree(tokenizer, folder, ignore=shutil.ignore_patterns("*.safetensors", "config.json"))
    shards = {name: settings.pop(name) for name in ("max_shard_size",) if name in settings}
    model_class = getattr(transformers, architecture)
    torch.manual_seed(0)
    model_class(model_class.config_class(**{**SIZES, **settings})).to(dtype).save_pretrained(folder, **shards)
    return folder


def rewritten(folder: Path, change: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]) -> Backbone:
    """Replace the tensors in a model's folder by what ``change`` makes of them, and open it."""
    file = folder / "model.safetensors"
    tensors = {name: tensor.clone() for name, tensor in load_file(file).items()}
    save_file(change(tensors), file, metadata={"format": "pt"})
    return open_backbone(str(folder))


def with_another_output_layer(model: Path, folder: Path) -> Path:
    """Write a causal language model with the body of ``model`` and an output layer of its own; return its folder."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.manual_seed(0)
    changed = AutoModelForCausalLM.from_pretrained(model)
    with torch.no_grad():
        changed.lm_head.weight.copy_(torch.randn_like(changed.lm_head.weight))
    changed.save_pretrained(folder)
    AutoTokenizer.from_pretrained(model).save_pretrained(folder)
    return folder


def with_a_head(model: Path, folder: Path, labels: Sequence[str], seed: int) -> Any:
    """Write a classifier with the body of ``model``, a head from ``seed`` and a tokenizer; return it."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    names = dict(enumerate(labels))
    classifier = AutoModelForSequenceClassification.from_pretrained(
        model, id2label=names, label2id={label: at for at, label in names.items()}
    ).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        classifier.classifier.weight.normal_(generator=generator)
    classifier.save_pretrained(folder)
    AutoTokenizer.from_pretrained(model).save_pretrained(folder)
    return classifier
