"""How much memory a peft config needs, computed before any is allocated.

A config of a few bytes may ask for any size (``r``, ``token_dim``, ``modules_to_save``). What peft makes of it is made
on the meta device first, where tensors have sizes and no numbers.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import torch

from adapter_workbench.workbench.backbone.init_free import Undrawn
from adapter_workbench.workbench.errors import InputError, opening

if TYPE_CHECKING:
    from collections.abc import Mapping

    from peft import PeftConfig
    from torch import Tensor

UNSIZED = frozenset({"BOFT", "SHIRA"})  # peft computes with numbers as it makes one; none is larger than its module
SPARE = 1 << 24  # numbers that any adapter may take: random matrices, of which its file holds a seed
MOST_LAYERS = 2000


def require_justified(model: Any, config: PeftConfig, tensors: Mapping[str, Tensor], where: str) -> None:
    """Make sure that an adapter of peft is not larger than its file and the base model allow.

    Args:
        model: the sender's class, a model of transformers; it stays as it is.
        config: the sender's.
        tensors: that the file holds.
        where: the config, for messages.

    Raises:
        InputError: it asks for more memory, or peft makes nothing of it.
    """
    from peft import get_peft_model

    for key, value in vars(config).items():
        if "layers" in key and isinstance(value, int) and value > MOST_LAYERS:
            raise InputError(f"{key}: {value:,} is not a number of layers", where=where)
    if str(getattr(config.peft_type, "value", config.peft_type)) in UNSIZED:
        return
    with opening("the adapter", where), torch.device("meta"), Undrawn():
        blank = type(model)(copy.deepcopy(model.config))
        base = _size(blank)
        asked = _size(get_peft_model(blank, copy.deepcopy(config))) - base
    held = sum(tensor.numel() for tensor in tensors.values())
    if asked > (most := 2 * held + base // 4 + SPARE):
        message = f"its config needs {asked:,} numbers, but the file holds {held:,}"
        raise InputError(message, where=where, hint=f"On this base model it may be {most:,}. Is the config damaged?")


def _size(model: Any) -> int:
    tensors = {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())}
    return sum(tensor.numel() for tensor in tensors.values())
