"""An adapter of another method of peft as a LoRA, so that whatever composes, routes or mixes LoRAs takes it.

ΔW of each matrix becomes its best approximation of a rank (peft's ``convert_to_lora``). Of MiSS it is ΔW itself, at
MiSS's own rank. What multiplies weights or outputs (HRA, RoAd, OFT, BOFT, IA³) peft does not convert, nor SHiRA and
AdaLoRA.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.fusion.composing.convertible import require_updates_alone
from adapter_workbench.fusion.updates import lora
from adapter_workbench.fusion.updates.lowrank import LowRank
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.methods.model import TaskModel
from adapter_workbench.workbench.methods.stored_model import open_adapter

if TYPE_CHECKING:
    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
    from adapter_workbench.workbench.backbone.pretrained import Backbone
    from adapter_workbench.workbench.methods.methods.lora import Settings


def as_lora(stored: StoredAdapter, backbone: Backbone, rank: int) -> tuple[TaskModel, Settings]:
    """Return the model of a stored adapter with a LoRA in its place, and the LoRA's settings; the head stays.

    Args:
        stored: an adapter of peft that is no LoRA.
        backbone: the one that it belongs to.
        rank: of every matrix's update; no more than its smaller side.

    Raises:
        InputError: another backbone, an adapter that is a LoRA or cannot be one (as :func:`require_updates_alone`), or
            a rank that is too high.
    """
    require_updates_alone(stored)
    method = stored.manifest.method
    model = open_adapter(stored, backbone)
    if model.body.peft_config["default"].peft_type == "LORA":  # type: ignore[union-attr, index]  # a PeftModel
        raise InputError(f"this adapter is a LoRA already ({method})", where=stored.id)
    from peft.tuners.lora.conversion import convert_to_lora

    try:
        _, tensors = convert_to_lora(model.body, rank)
    except TypeError:
        raise InputError(f"peft cannot convert {method} to a LoRA", where=stored.id) from None
    except ValueError as error:
        raise InputError(
            f"rank {rank} is not possible: {error}", where=stored.id, hint="Give a smaller --rank."
        ) from None
    names = [name.removeprefix(lora.PREFIX).removesuffix(".lora_A.weight") for name in tensors if "lora_A" in name]
    update = {name: LowRank(*(tensors[f"{lora.PREFIX}{name}.lora_{side}.weight"] for side in "BA")) for name in names}
    body, settings = lora.attach(backbone, update)
    return TaskModel(body, model.head, model.kind, model.pooling, model.precision).eval(), settings
