"""LoRA as peft stores it ↔ low-rank updates; what is more than a low-rank update is refused by name."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file

from adapter_workbench.fusion.updates.lowrank import LowRank, Update
from adapter_workbench.workbench.adapters.adapter_folder import CONFIG, PEFT_WEIGHTS, read_config
from adapter_workbench.workbench.backbone.architecture import UNREAD
from adapter_workbench.workbench.backbone.finite_weights import require_finite
from adapter_workbench.workbench.backbone.module_patterns import require_bounded_patterns
from adapter_workbench.workbench.errors import InputError, opening
from adapter_workbench.workbench.methods.methods.lora import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor, nn

    from adapter_workbench.workbench.backbone.pretrained import Backbone

PREFIX = "base_model.model."

# Whatever of these a LoRA has is not in B A: leaving it out would change the adapter without a word.
REFUSED = {
    "use_dora": "DoRA: its magnitudes are not a low-rank update",
    "lora_bias": "biases beside the low-rank factors (lora_bias)",
    "modules_to_save": "modules that were trained whole (modules_to_save)",
    "trainable_token_indices": "trained token embeddings (trainable_token_indices)",
    "target_parameters": "updates of bare parameters (target_parameters)",
    "layer_replication": "replicated layers (layer_replication)",
    "alora_invocation_tokens": "activation by tokens (aLoRA)",
    "use_qalora": "pooled inputs (QA-LoRA)",
    "velora_config": "compressed activations (VeLoRA)",
    "use_bdlora": "block-diagonal factors (BD-LoRA)",
    "monteclora_config": "sampled factors (MonteCLoRA)",
    "kasa_config": "singular values of its own (KaSA)",
    "arrow_config": "experts chosen token by token (Arrow)",
    "megatron_config": "factors split over devices (megatron_config)",
}
MOVES_BASE = ("pissa", "olora", "corda", "loftq", "lora_ga")  # initialisations that subtract from the base weights


def read(folder: Path) -> Update:
    """Return the weight update of a stored LoRA: ΔW = s B A for every module, s as its config says.

    s is alpha ÷ r, or alpha ÷ √r with rsLoRA; rank and alpha patterns are followed, the rank itself is read from B.
    What reaches no token state (a pooler) is left out.

    Raises:
        InputError: the adapter is no LoRA, or holds something beside low-rank factors; the message names it. Or its
            scale makes NaN or infinity of them.
    """
    config = _config(folder)
    tensors = _tensors(folder / PEFT_WEIGHTS)
    modules: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        module, factor = _parts(name, folder)
        if not module.startswith(UNREAD):
            modules.setdefault(module, {})[factor] = tensor.float()
    require_bounded_patterns(config, modules, str(folder / CONFIG))
    with opening("the config of this adapter", str(folder)):
        return {module: _pair(config, module, factors, folder) for module, factors in sorted(modules.items())}


def attach(backbone: Backbone, update: Update, like: Settings | None = None) -> tuple[nn.Module, Settings]:
    """Return ``backbone`` with ``update`` on it as an ordinary LoRA, and its settings.

    Without ``like`` its scale is 1: alpha = rank, module by module. With it, scale, dropout and what else a training
    reads are those of ``like``; the function is the same, B is divided by the scale.

    Raises:
        InputError: ``update`` is empty.
    """
    from peft import LoraConfig, TaskType, get_peft_model

    if not update:
        raise InputError("no module is left to adapt")
    ranks = {module: pair.b.shape[1] for module, pair in update.items()}
    largest = max(ranks.values())
    pattern = {re.escape(module): rank for module, rank in ranks.items() if rank != largest}
    given, scale = (like, like.alpha / like.rank) if like else (Settings(), 1)
    config = LoraConfig(
        task_type=TaskType.FEATURE_EXTRACTION,
        r=largest,
        lora_alpha=scale * largest,
        lora_dropout=given.dropout,
        target_modules=sorted(update),
        rank_pattern=pattern,
        alpha_pattern={module: scale * rank for module, rank in pattern.items()},
    )
    body: nn.Module = get_peft_model(backbone.load(), config)
    fill(body, {module: LowRank(pair.b / scale, pair.a) for module, pair in update.items()})
    changed = {"rank": largest, "alpha": scale * largest, "targets": tuple(sorted(update))}
    return body.eval(), given.model_copy(update=changed)


@torch.no_grad()
def fill(body: nn.Module, update: Update) -> None:
    """Copy ``update`` into the LoRA factors of ``body``, which :func:`attach` made from one of the same shapes."""
    for module, pair in update.items():
        layer: Any = body.get_submodule(f"{PREFIX}{module}")
        layer.lora_B["default"].weight.copy_(pair.b)
        layer.lora_A["default"].weight.copy_(pair.a)


def layers(body: nn.Module) -> dict[str, Any]:
    """Return the modules of ``body`` that LoRAs are on, by the name that they have in the backbone."""
    modules = {name.removeprefix(PREFIX): module for name, module in body.named_modules()}
    return {name: module for name, module in modules.items() if hasattr(module, "lora_B")}


def pair_in(layer: Any, adapter: str = "default") -> LowRank:
    """Return s B A of one of a layer's LoRAs, as it is now."""
    b, a = layer.lora_B[adapter].weight.detach(), layer.lora_A[adapter].weight.detach()
    return LowRank(layer.scaling[adapter] * b, a)


def unfit(config: Mapping[str, Any]) -> str | None:
    """Return why adapters of a peft configuration are not low-rank updates, or None; initialisation does not count."""
    if config.get("peft_type") != "LORA":
        return _other(config)
    return f"a LoRA with {'; '.join(reasons)}" if (reasons := _refusals(config)) else None


def _other(config: Mapping[str, Any]) -> str:
    return f"not a LoRA but {str(config.get('peft_type')).removeprefix('PeftType.')!r}"


def _refusals(config: Mapping[str, Any]) -> list[str]:
    return [reason for key, reason in REFUSED.items() if config.get(key)]


def _config(folder: Path) -> dict[str, Any]:
    config = read_config(folder)
    if config.get("peft_type") != "LORA":
        hint = "Some adapters can be converted: `workbench adapters convert ID`."
        raise InputError(f"this adapter is {_other(config)}", where=str(folder), hint=hint)
    reasons = _refusals(config)
    if config.get("bias", "none") != "none":
        reasons.append(f"trained biases (bias: {config['bias']})")
    start = config.get("init_lora_weights")
    if isinstance(start, str) and start.lower().startswith(MOVES_BASE):
        reasons.append(f"an initialisation that changes the backbone's own weights (init_lora_weights: {start})")
    if reasons:
        hint = "Train it as plain LoRA, or convert it (peft: `path_initial_model_for_weight_conversion`)."
        raise InputError(f"this LoRA cannot be composed: it has {'; '.join(reasons)}", where=str(folder), hint=hint)
    return config


def _tensors(path: Path) -> dict[str, Tensor]:
    require_finite(path)
    with opening("the adapter weights", str(path)):
        return load_file(path)


def _parts(name: str, folder: Path) -> tuple[str, str]:
    """Return the module and ``A`` or ``B`` of a stored tensor's name."""
    match = re.fullmatch(rf"{re.escape(PREFIX)}(.+)\.lora_([AB])\.weight", name)
    if not match:
        raise InputError(f"this LoRA cannot be composed: it holds {name!r}", where=str(folder / PEFT_WEIGHTS))
    return match[1], match[2]


def _pair(config: dict[str, Any], module: str, factors: dict[str, Tensor], folder: Path) -> LowRank:
    if factors.keys() != {"A", "B"} or factors["A"].shape[0] != factors["B"].shape[1]:
        raise InputError(f"lora_A and lora_B of {module} do not fit together", where=str(folder / PEFT_WEIGHTS))
    if any(factor.dim() != 2 for factor in factors.values()):
        raise InputError(f"this LoRA cannot be composed: {module} is a convolution", where=str(folder / PEFT_WEIGHTS))
    scaling = _scaling(config, module, factors["B"].shape[1])
    b = scaling * factors["B"]
    if not bool(b.isfinite().all()):
        message = f"this LoRA cannot be composed: {module} times its scale, {scaling:g}, is NaN or infinity"
        raise InputError(message, where=str(folder / CONFIG), hint="Look at lora_alpha and alpha_pattern.")
    return LowRank(b, factors["A"])


def _scaling(config: dict[str, Any], module: str, rank: int) -> float:
    alpha = float(_pattern(config.get("alpha_pattern") or {}, module, config["lora_alpha"]))
    return alpha / (math.sqrt(rank) if config.get("use_rslora") else rank)


def _pattern(patterns: dict[str, float], module: str, default: float) -> float:
    """Return the first pattern's value that matches the end of ``module``, as peft looks it up."""
    return next((value for key, value in patterns.items() if re.match(rf"(.*\.)?({key})$", module)), default)
