"""arrow: frozen LoRAs of peft side by side; in each matrix every token is answered by those that respond most."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.methods.libraries._lora_layout import lora_layers
from adapter_workbench.workbench.methods.libraries._packed_layers import asking_for_packed
from adapter_workbench.workbench.methods.libraries._side_by_side import hosting, save_apart, stored_apart

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn

GENERAL, ROUTER = "gks_", "arrow_router"  # as peft calls them
FILE = "arrow.json"  # what peft's ArrowConfig is given, for programs that open the folder without the workbench
SEED = 0  # of the vector from which peft's power iteration begins


@dataclass(frozen=True)
class ArrowSettings:
    """How tokens are routed, and what to."""

    top_k: int  # how many LoRAs answer a token
    temperature: float  # of the softmax over these
    sources: tuple[Path, ...] = ()  # folders of stored LoRAs, in order; only a composition that begins needs them
    general: tuple[Path, ...] = ()  # folders of LoRAs whose mean is taken off the sources


class Arrow:
    """The LoRAs lie in folders ``task_0``, ``task_1``, …, each as peft stores it. Nothing of them is trained."""

    def attach(self, body: nn.Module, config: ArrowSettings) -> nn.Module:
        """Return the body with the sources of ``config`` on it, without what the general ones have in common."""
        model = hosting(hosting(body, config.sources), config.general, GENERAL)
        taken_off(model, [f"{GENERAL}{index}" for index in range(len(config.general))])
        return _add_router(model, config)

    def save(self, body: Any, folder: Path) -> None:
        """Write each LoRA into a folder of its own."""
        router = body.peft_config[ROUTER].arrow_config
        save_apart(body, experts(body), folder)
        chosen = {"top_k": router.top_k, "router_temperature": router.router_temperature, "rng_seed": SEED}
        (folder / FILE).write_text(json.dumps(chosen), encoding="utf-8")

    def load(self, body: nn.Module, folder: Path, config: ArrowSettings) -> nn.Module:
        """Return the body with the stored LoRAs."""
        return _add_router(hosting(body, stored_apart(folder)), config)

    def detach(self, body: Any) -> nn.Module:
        bare: nn.Module = body.unload()
        return bare


def experts(body: Any) -> list[str]:
    """Return the names of the LoRAs that answer, in order."""
    return list(body.peft_config[ROUTER].arrow_config.task_adapter_names)


@torch.no_grad()
def taken_off(body: Any, general: Sequence[str]) -> None:
    """Subtract the mean A and the mean B of the ``general`` LoRAs from those of all others; remove the general ones.

    Raises:
        InputError: they differ in their scale, alpha ÷ rank: equal factors are not equal updates then.
    """
    if not general:
        return
    for layer in lora_layers(body).values():
        if len({layer.scaling[name] for name in layer.lora_A}) > 1:
            hint = "Train them with the same alpha and rank, or leave out general."
            raise InputError("the sources have different scales (alpha ÷ rank)", where="general", hint=hint)
        for factors in (layer.lora_A, layer.lora_B):
            mean = torch.stack([factors[name].weight for name in general]).mean(dim=0)
            for name in [other for other in factors if other not in general]:
                factors[name].weight.sub_(mean)
    for name in general:
        body.delete_adapter(name)


def _add_router(model: Any, config: ArrowSettings) -> nn.Module:
    from peft import ArrowConfig, LoraConfig

    from adapter_workbench.workbench.methods.libraries._arrow_router import without_autocast  # imports peft

    names = list(model.peft_config)
    chosen = ArrowConfig(top_k=min(config.top_k, len(names)), router_temperature=config.temperature, rng_seed=SEED)
    chosen.task_adapter_names, chosen.gks_adapter_names = names, []
    like = model.peft_config[names[0]]
    with asking_for_packed(model):
        model.add_adapter(ROUTER, LoraConfig(r=like.r, target_modules=like.target_modules, arrow_config=chosen))
    without_autocast(model)
    model.set_adapter(ROUTER)
    model.requires_grad_(False)
    routed: nn.Module = model.eval()
    return routed


LIBRARY = Arrow()
