"""Where a LoRA of peft began to be trained: most beginnings mean nothing once weights are stored, some move the base.

With PiSSA and OLoRA peft takes s B₀ A₀ off the base model's weights, when training begins and again when it loads an
adapter, since both follow from W alone. W − s B₀ A₀ + s B A is W with the LoRA [B, −B₀] [A; A₀] of twice the rank: that
is what is stored here, as peft's own conversion does it, and the base model stays as it is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.methods.libraries._lora_layout import lora_layers

if TYPE_CHECKING:
    from torch import Tensor

KEY = "init_lora_weights"
MOVING = ("pissa", "olora")
FINISHED: Mapping[str, Any] = {  # keys that say where training began, and what stands there once weights are stored
    KEY: True,
    "eva_config": None,
    "prompt_tuning_init": "RANDOM",
    "prompt_tuning_init_text": None,
    "tokenizer_name_or_path": None,
    "tokenizer_kwargs": None,
}
HARMLESS = (None, True, False, "gaussian", "eva", "orthogonal", "mica")
CONVERT = "With peft: model.save_pretrained(FOLDER, path_initial_model_for_weight_conversion=INITIAL_ADAPTER)."
SAVE_BASE = (
    "Save the model that it was trained on (model.unload().save_pretrained(BASE)), name it with --backbone BASE, and "
    f'write "{KEY}": true into this file.'
)
UNKNOWN = {  # beginning → why what it took off the base model cannot be computed again, and peft's own way out
    "pissa_niter": ("by a singular value decomposition that draws at random", CONVERT),
    "corda": ("after reading its sender's texts", CONVERT),
    "lora_ga": ("after reading its sender's texts", CONVERT),
    "loftq": ("as it quantised them", SAVE_BASE),
}


def moves_base(config: Mapping[str, Any]) -> bool:
    """Return whether peft changes the base model's weights as it loads the adapter."""
    return str(config.get(KEY)).lower() in MOVING


def without_start(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a sender's config without the keys that describe the initialisation."""
    return {**config, **{key: value for key, value in FINISHED.items() if key in config}}


def require_known(config: Mapping[str, Any], where: str) -> None:
    """Make sure that the initialisation is known; raises InputError where it is not."""
    beginning = config.get(KEY)
    if beginning in HARMLESS or moves_base(config):
        return
    name = next((name for name in UNKNOWN if str(beginning).lower().startswith(name)), None)
    if name is None:
        raise InputError(f"{KEY}: {beginning!r} is not known to peft", where=where)
    why, way_out = UNKNOWN[name]
    message = f"{KEY}: {beginning!r} cannot be taken in: peft changed the base model's own weights {why}"
    raise InputError(message, where=where, hint=way_out)


def start_factors(program: Any) -> dict[str, tuple[Tensor, Tensor]]:
    """Return A₀ (rank, in) and B₀ (out, rank) of each LoRA of a ``PeftModel`` whose weights are not loaded yet."""
    return {
        name: (layer.lora_A["default"].weight.detach().clone(), layer.lora_B["default"].weight.detach().clone())
        for name, layer in lora_layers(program.get_base_model()).items()
    }


def join_start(tensors: Mapping[str, Tensor], starts: Mapping[str, tuple[Tensor, Tensor]]) -> dict[str, Tensor]:
    """Return LoRAs of twice the rank on the base model as it was: B A − B₀ A₀.

    Args:
        tensors: of the adapter, ``MODULE.lora_A.weight`` and others.
        starts: module → (A₀, B₀).
    """
    import torch

    both = dict(tensors)
    for module, (a, b) in starts.items():
        for name, start, dim in ((f"{module}.lora_A.weight", a, 0), (f"{module}.lora_B.weight", -b, 1)):
            both[name] = torch.cat([tensors[name].float(), start], dim=dim)
    return both


def double_rank(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a config for twice the rank, under which every update is scaled as before."""
    more = math.sqrt(2) if config.get("use_rslora") else 2
    ranks, alphas = config.get("rank_pattern") or {}, config.get("alpha_pattern") or {}
    return {
        **config,
        "r": 2 * config["r"],
        "lora_alpha": more * config["lora_alpha"],
        "rank_pattern": {name: 2 * rank for name, rank in ranks.items()},
        "alpha_pattern": {name: more * alpha for name, alpha in alphas.items()},
    }
