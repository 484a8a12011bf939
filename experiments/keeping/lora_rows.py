"""The rows of a LoRA's A, which O-LoRA holds later LoRAs orthogonal to; read from its file, without its base model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from adapter_workbench.experiments.keeping.given_model import adapter_in
from adapter_workbench.experiments.strategies.o_lora import ROWS
from adapter_workbench.workbench.answering.elsewhere.peft_weights import START
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.training.remedy import RemedyState

if TYPE_CHECKING:
    from torch import Tensor

FACTOR = ".lora_A.weight"
HINT = "Give the folder of a LoRA (adapter_config.json with peft_type LORA), or keep for another remedy."


def rows_of_lora(name: str, earlier: RemedyState | None) -> RemedyState:
    """Return the rows of the A of each module, behind those of the tasks before.

    Args:
        name: a folder of peft, or a hub id.
        earlier: the state of the tasks before.

    Raises:
        InputError: there is no LoRA, or the tasks before adapted other modules.
        UnsafeConfigError: a file would run code.
        AssetError: it cannot be fetched.
    """
    sent = adapter_in(name)
    if sent is None or sent.config["peft_type"] != "LORA":
        raise InputError("o-lora keeps the A of a LoRA, and this is none", where=name, hint=HINT)
    factors = {module: tensor for module, tensor in sent.tensors.items() if module.endswith(FACTOR)}
    rows: dict[str, Tensor] = {f"{START}{of.removesuffix(FACTOR)}": a.float() for of, a in factors.items()}
    if not rows:
        raise InputError("this LoRA adapts no linear layer", where=name, hint=HINT)
    if earlier is None:
        return RemedyState({ROWS: rows})
    before = earlier.tensors[ROWS]
    inputs, inputs_before = ({module: a.shape[1] for module, a in of.items()} for of in (rows, before))
    if inputs != inputs_before:
        module = min({*inputs.items()} ^ {*inputs_before.items()})[0]
        hint = "Adapt the same modules of the same base model for each task."
        raise InputError(f"the tasks before adapted other modules: {module}", where="--state", hint=hint)
    return RemedyState({ROWS: {module: torch.cat([before[module], a]) for module, a in rows.items()}})
