"""Which modules of an architecture a configuration of peft adapts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapter_workbench.workbench.backbone.architecture import attention_matrices, skeleton
from adapter_workbench.workbench.backbone.module_patterns import require_bounded_patterns

if TYPE_CHECKING:
    from transformers import PretrainedConfig


def targets_by_name(wanted: Any, config: PretrainedConfig) -> dict[str, Any]:
    """Return the modules whose matrix is adapted by their names; they have no numbers.

    If ``wanted`` names no targets, those that peft knows for the architecture are put into it.
    """
    from peft.tuners.tuners_utils import check_target_module_exists
    from torch import nn

    name_usual_targets(wanted, config)
    if wanted.target_modules is None:
        return {}
    modules = list(skeleton(config).named_modules())
    require_bounded_patterns(vars(wanted), (name for name, _ in modules), "targets")
    return {
        name: module
        for name, module in modules
        if isinstance(getattr(module, "weight", None), nn.Parameter) and check_target_module_exists(wanted, name)
    }


def name_usual_targets(wanted: Any, config: PretrainedConfig) -> None:
    """Put the targets that peft knows for the architecture into ``wanted``, if that can have some and names none."""
    from peft.mapping import PEFT_TYPE_TO_TUNER_MAPPING

    if getattr(wanted, "target_modules", ()) is None:
        usual = getattr(PEFT_TYPE_TO_TUNER_MAPPING[wanted.peft_type], "target_module_mapping", {})
        wanted.target_modules = usual.get(config.model_type)


def targets_beyond_peft(config: PretrainedConfig, tuner: str) -> list[str] | None:
    """Return what is adapted of an architecture for which peft names no targets; None where it does.

    They are the targets of a LoRA if peft knows those, else all of attention's matrices. None too where there are none.

    Args:
        config: of the backbone.
        tuner: peft's name of the type, such as ``LORA``.
    """
    from peft.mapping import PEFT_TYPE_TO_TUNER_MAPPING

    own, of_lora = (PEFT_TYPE_TO_TUNER_MAPPING[name].target_module_mapping for name in (tuner, "LORA"))
    if config.model_type in own:
        return None
    if config.model_type in of_lora:
        return list(of_lora[config.model_type])
    return attention_matrices(config) or None
