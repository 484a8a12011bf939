"""A stored config of peft for another class, without what is at its default: older versions stop at newer keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any

from adapter_workbench.workbench.answering.elsewhere.peft_beginning import FINISHED
from adapter_workbench.workbench.answering.elsewhere.peft_config import BY_NAME

STATED = {  # keys that stay at their default too: every version knows them, and servers ask for some
    *("peft_type", "task_type", "base_model_name_or_path", "inference_mode", "target_modules"),
    *("r", "lora_alpha", "lora_dropout", "bias", "oft_block_size"),
}
UNREAD = {"peft_version", "auto_mapping"}  # no version needs them to compute the same, but for one setting of OFT


def for_class(config: Mapping[str, Any], task_type: str, base: str, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document that peft reads with a class of transformers.

    Args:
        config: of the stored adapter.
        task_type: peft's name of what the class does.
        base: what the backbone is called.
        changes: what other keys become; None takes one out.
    """
    changed = {**config, "task_type": task_type, "base_model_name_or_path": base, **changes}
    if "target_modules" in changes:  # by their names, so that nothing else picks modules
        changed |= {key: value for key, value in BY_NAME.items() if key in config}
    return without_defaults(changed)


def without_defaults(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a config without the keys that say nothing: at their default, or where training began."""
    from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING

    known = {field.name: field for field in fields(PEFT_TYPE_TO_CONFIG_MAPPING[config["peft_type"]])}
    kept: dict[str, Any] = {}
    for key, value in sorted(config.items()):
        if key in FINISHED or (key in UNREAD and not config.get("use_cayley_neumann")):
            continue
        if key in STATED or key not in known or not _is_default(known[key], value):
            kept[key] = value
    return kept


def _is_default(field: Any, value: Any) -> bool:
    """Return whether a value of JSON is what a field has where nothing is said; an empty mapping is as good as none."""
    default = field.default if field.default_factory is MISSING else field.default_factory()
    default = getattr(default, "value", default)
    return bool(value == default and type(value) is type(default)) or (not default and value in (None, {}))
