"""The layers of a head inside a model of peft: out of what peft wraps around them."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from torch import nn

from adapter_workbench.workbench.answering.elsewhere.peft_modules import POOLER

if TYPE_CHECKING:
    from collections.abc import Sequence


def head_of(program: Any, names: Sequence[str]) -> dict[str, nn.Module]:
    """Return the layers between the transformer and the logits by name, an update of peft's written into their weights.

    Args:
        program: a ``PeftModel``.
        names: of the layers inside the class.
    """
    model = program.get_base_model()
    return {name: _effective(_submodule(model, name)) for name in names}


def poolers(model: nn.Module, prefix: str) -> list[str]:
    """Return the names of the transformer's own layers that a head alone reads.

    Args:
        model: the sender's class, with nothing of peft in it.
        prefix: the transformer's name inside it, with a dot.
    """
    inside = f"{prefix}{POOLER}."  # ALBERT's is a layer itself
    layers = {name: module for name, module in model.named_modules() if f"{name}.".startswith(inside)}
    return [name for name, module in layers.items() if isinstance(module, nn.Linear)]


def _submodule(model: nn.Module, name: str) -> nn.Module:
    """Return a submodule, at each step the trained copy of one that was trained whole."""
    module: Any = model
    for part in name.split("."):
        module = getattr(module, part)
        if hasattr(module, "modules_to_save"):
            module = module.modules_to_save[module.active_adapters[0]]
    submodule: nn.Module = module
    return submodule


def _effective(layer: Any) -> nn.Module:
    """Return a plain layer; one with an update beside it as a copy that has the sum."""
    if not hasattr(layer, "get_base_layer"):
        plain: nn.Module = layer
        return plain
    merged = copy.deepcopy(layer)
    merged.merge()
    base: nn.Module = merged.get_base_layer()
    return base
