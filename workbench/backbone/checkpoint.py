"""Whether stored weights are those that a config describes: what a checkpoint lacks would be random numbers.

And whether the model reads texts at all. transformers builds models of many configs that fail at their first text: an
activation that is none, a setting that only a decoder has. A few tokens are tried once, so that this is reported early.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapter_workbench.workbench.backbone import architecture
from adapter_workbench.workbench.backbone.model_folder import CONFIG, numbers_in, weight_files
from adapter_workbench.workbench.backbone.transformers_api import WITH_FIVE, is_five
from adapter_workbench.workbench.errors import InputError, blaming

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn
    from transformers import PretrainedConfig

    from adapter_workbench.workbench.machine.device import Precision

SLACK = 1 << 23  # numbers that a model may have beyond its checkpoint's, as a pooler
NOT_BEFORE_5 = f"transformers 4 does not find the weights of a Gemma 3 language model under their names. {WITH_FIVE}"
BROKEN = "Fetch the model again, or save it again with save_pretrained."
TOKENS = ((0, 1, 0, 1),)  # every vocabulary has them
HINT = "Is it the model that you mean? Its config.json may be damaged."
_read: set[str] = set()  # states of the files of models that have read something, in this process


def require_described(folder: Path, config: PretrainedConfig) -> None:
    """Raise InputError where ``config`` describes a far larger model than the weights in ``folder`` are.

    It is called before anything is loaded: else memory for the missing weights is taken and filled with random numbers.
    """
    described = sum(parameter.numel() for parameter in architecture.skeleton(config).parameters())
    stored = sum(map(numbers_in, weight_files(folder)))
    if described > 2 * stored + SLACK:
        message = f"the config describes {described:,} numbers, but the weights hold {stored:,}"
        raise InputError(message, where=str(folder), hint=BROKEN)


def require_whole(folder: Path, config: PretrainedConfig, loading_info: dict[str, Any]) -> None:
    """Raise InputError where a part of the body was initialised at random, or stored layers were not loaded.

    Args:
        folder: of the model.
        config: the model's.
        loading_info: transformers' own, with ``missing_keys`` and ``unexpected_keys``. A pooler may be missing, and
            heads may be left over.
    """
    drawn = [name for name in loading_info["missing_keys"] if not name.startswith(architecture.UNREAD)]
    if drawn:
        message = f"{len(drawn)} of the model's tensors are missing in the weights, for example {min(drawn)}"
        unread = config.model_type == "gemma3_text" and not is_five()
        hint = NOT_BEFORE_5 if unread else f"They would be random numbers. {BROKEN}"
        raise InputError(message, where=str(folder), hint=hint)
    lists = {block.rpartition(".")[0] for block in architecture.blocks(config)}
    for name in sorted(loading_info["unexpected_keys"]):
        if any(_in_list(name, blocks) for blocks in lists):
            raise InputError(f"the config does not describe the layer of {name}", where=str(folder), hint=BROKEN)


def require_read(folder: Path, model: nn.Module) -> None:
    """Raise InputError where a loaded model has a tensor without numbers: an index names it, and its file lacks it."""
    if name := next((name for name, weight in model.named_parameters() if weight.is_meta), None):
        raise InputError(
            f"the weights have no tensor {name}, but the index of the files names it", where=str(folder), hint=BROKEN
        )


def require_reading(body: nn.Module, folder: Path, state: str | None, precision: Precision) -> None:
    """Let a model read a few tokens, once in a process for each state of its files.

    Args:
        body: in evaluation mode, on whatever device.
        folder: that it was loaded from.
        state: of its files; None where they may have changed.
        precision: of the arithmetic.

    Raises:
        InputError: the model fails, or returns no states.
    """
    import torch

    if state in _read:
        return
    model: Any = body
    device = next(body.parameters()).device
    ids = torch.tensor(TOKENS, device=device)
    given = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    if model.config.is_encoder_decoder:
        given["decoder_input_ids"] = ids
    half = torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16")
    with blaming("the model of this config fails on its first text", str(folder / CONFIG), HINT), torch.no_grad(), half:
        assert model(**given).last_hidden_state.shape[:2] == ids.shape
    if state is not None:
        _read.add(state)


def _in_list(name: str, blocks: str) -> bool:
    """Return whether a tensor belongs to a layer of the list ``blocks``: in its name, a number follows the list's."""
    before, separator, rest = name.partition(f"{blocks}.")
    return bool(separator) and (not before or before.endswith(".")) and rest.partition(".")[0].isdecimal()
