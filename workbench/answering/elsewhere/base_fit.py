"""Whether a LoRA of peft can have been trained on a backbone: told by names and sizes, before any weight is loaded."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from adapter_workbench.workbench.adapters.adapter_folder import PEFT_WEIGHTS
from adapter_workbench.workbench.backbone.architecture import skeleton
from adapter_workbench.workbench.errors import InputError, opening

if TYPE_CHECKING:
    from pathlib import Path

    from transformers import PretrainedConfig

FACTOR = re.compile(r"(?:base_model\.model\.)?(.+)\.lora_A\.(?:[^.]+\.)?weight")  # (rank, inputs)
HINT = "It was trained on another model. Name that as the base model, or leave the adapter out."


def require_its_base(folder: Path, config: PretrainedConfig) -> None:
    """Make sure that the layers of a LoRA in ``folder`` are those of a transformer of ``config``, as wide as there.

    Other adapters pass, and so do modules outside the layers, as heads are: they are compared when they are opened.

    Raises:
        InputError: a layer is missing or has another size.
    """
    from safetensors import safe_open

    path = folder / PEFT_WEIGHTS
    if not path.is_file():
        return
    shapes = {name: parameter.shape for name, parameter in skeleton(config).named_parameters()}
    with opening("the adapter", str(path)), safe_open(path, framework="np") as tensors:
        names = {factor[1]: name for name in [*tensors.keys()] if (factor := _factor(name))}
        factors = {module: tensors.get_slice(name).get_shape() for module, name in names.items()}
    for module, (_, inputs) in factors.items():
        inside = next((name for name in _endings(module) if f"{name}.weight" in shapes), None)
        if inside is None:
            raise InputError(f"the base model has no layer {module}", where=str(path), hint=HINT)
        if inputs not in shapes[f"{inside}.weight"]:
            message = f"{module} reads {inputs} numbers in this folder, but {max(shapes[f'{inside}.weight'])} at most"
            raise InputError(f"{message} in the base model", where=str(path), hint=HINT)


def _factor(name: str) -> re.Match[str] | None:
    """Return the match of a first factor in a numbered layer, or None."""
    match = FACTOR.fullmatch(name)
    return match if match and re.search(r"\.\d+\.", match[1]) else None


def _endings(module: str) -> list[str]:
    """Return a module's name inside the sender's class, and what it may be called inside the transformer alone."""
    parts = module.split(".")
    return [".".join(parts[start:]) for start in range(min(3, len(parts)))]
