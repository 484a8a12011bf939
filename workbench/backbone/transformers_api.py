"""What transformers 4.57 and 5 call differently, said once."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from functools import cache
from typing import Any

from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.machine.extras import installed_version
from adapter_workbench.workbench.machine.quiet import quiet

FULL, SLIDING = "full_attention", "sliding_attention"  # types of layers
ROTARY = {  # a key of version 4 for rotary positions → where version 5 has the number; a class's own names come first
    "rotary_emb_base": (FULL, "rope_theta"),
    "global_rope_theta": (FULL, "rope_theta"),
    "rope_theta": (FULL, "rope_theta"),
    "rope_local_base_freq": (SLIDING, "rope_theta"),
    "local_rope_theta": (SLIDING, "rope_theta"),
    "rotary_pct": (FULL, "partial_rotary_factor"),
    "partial_rotary_factor": (FULL, "partial_rotary_factor"),
}
SCALING = "rope_scaling"  # a mapping of version 4, for everything else
MODERN = "rope_parameters"  # version 5's, of everything
WITH_FIVE = "Use transformers 5: an installation without the extra adapters."


@cache
def is_five() -> bool:
    """Return whether transformers is of its fifth major version, or a later one."""
    return int((installed_version("transformers") or "5").partition(".")[0]) >= 5


@cache
def cache_name() -> str:
    """Return what a model calls the keys and values of tokens that it has read, as an argument and in its output."""
    from transformers.modeling_outputs import CausalLMOutputWithPast

    return "cache" if "cache" in {field.name for field in fields(CausalLMOutputWithPast)} else "past_key_values"


def training_options(warmup: float, by_length: bool) -> dict[str, Any]:
    """Return what ``TrainingArguments`` takes for a warm-up and for batches of texts of like length.

    Args:
        warmup: share of all steps over which the learning rate rises.
        by_length: whether texts of like length come into one batch.
    """
    if is_five():
        share = min(warmup, math.nextafter(1.0, 0.0))  # 1 would be one step
        return {"warmup_steps": share, "train_sampling_strategy": "group_by_length" if by_length else "random"}
    return {"warmup_ratio": warmup, "group_by_length": by_length}


@contextmanager
def quietly() -> Iterator[None]:
    """Keep off the screen what transformers shows while it opens or writes a model.

    Version 5 has a bar for each of both. It reports tensors that were not read, and layers that were not distributed;
    what matters of that is checked here, and is an error.
    """
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        with quiet("transformers"):
            yield
    finally:
        if shown:
            logging.enable_progress_bar()


def rotary_keys(config: object) -> set[str]:
    """Return the keys for rotary positions that a config class reads and does not declare: those of version 4."""
    return {*ROTARY, SCALING} if hasattr(config, MODERN) else set()


def with_own_rotary(content: Mapping[str, Any], keys: Collection[str], where: str) -> dict[str, Any]:
    """Return a config that states its rotary positions as the transformers here reads them.

    Version 4 has a key for each number. Version 5 has ``rope_parameters``, by type of layer where layers differ; it
    reads the keys of version 4 too, while version 4 would silently take its defaults.

    Args:
        content: of a ``config.json`` that either version wrote.
        keys: that the architecture knows here.
        where: the file, for messages.

    Raises:
        InputError: version 4 has no key for something that is stated.
    """
    stated = content.get(MODERN)
    if is_five() or not isinstance(stated, Mapping):
        return dict(content)
    by_layer = bool(stated) and all(isinstance(entry, Mapping) for entry in stated.values())
    layers = {layer: dict(entry) for layer, entry in (stated if by_layer else {FULL: stated}).items()}
    common, own = dict(layers.get(FULL, {})), dict[str, Any]()
    for key, (layer, name) in ROTARY.items():
        if key in keys and name in layers.get(layer, {}):
            own[key] = layers[layer].pop(name)
    if SCALING in keys and common.get("rope_type", "default") != "default":
        own[SCALING] = layers.pop(FULL)
    usual = {"rope_type": "default", "type": "default", "partial_rotary_factor": 1.0}
    left = [(layer, *item) for layer, entry in layers.items() for item in entry.items()]
    if any(value not in (usual.get(name), None if layer == FULL else common.get(name)) for layer, name, value in left):
        raise InputError(f"{MODERN}: transformers 4 cannot read {stated!r}", where=where, hint=WITH_FIVE)
    return {**content, **own}
