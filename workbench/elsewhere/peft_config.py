"""A config of peft's as its sender wrote it, and as it is for the transformer alone: each module by its whole name."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from workbench.adapter_folder import PEFT_TYPES, TASK_TYPE
from workbench.errors import InputError
from workbench.methods import METHODS

if TYPE_CHECKING:
    from peft import PeftConfig

BY_TYPE = {  # peft_type → what the method is called here, where that is not the same in small letters
    "PROMPT_TUNING": "prompt",
    "P_TUNING": "p-tuning",
    "WAVEFT": "wave-ft",
}
OF_LORA = (("use_dora", "dora"), ("use_rslora", "rslora"))
SETTINGS = {  # peft's name → a setting's
    "r": "rank",
    "lora_alpha": "alpha",
    "alpha": "alpha",
    "lora_dropout": "dropout",
    "num_virtual_tokens": "tokens",
}
BY_NAME = {  # keys that pick modules, and what stands there once each is named
    "exclude_modules": None,
    "layers_to_transform": None,
    "layers_pattern": None,
    "modules_to_save": None,
}
PATTERNS = ("rank_pattern", "alpha_pattern")
SUBSETS = ("feedforward_modules",)  # of the adapted modules
MADE_HERE = {"base_model_name_or_path": None, "revision": None, "auto_mapping": None, "inference_mode": True}


def method_of(config: Mapping[str, Any], where: str) -> str:
    """Return what the method of a config is called here; raises InputError where there is no such one."""
    kind = config.get("peft_type")
    if not isinstance(kind, str) or kind not in PEFT_TYPES:
        hint = f"These are: {', '.join(sorted(PEFT_TYPES))}."
        raise InputError(f"peft_type: {kind!r} cannot be taken in", where=where, hint=hint)
    if kind == "LORA":
        return next((name for key, name in OF_LORA if config.get(key)), "lora")
    return BY_TYPE.get(kind, kind.lower())


def settings(config: Mapping[str, Any], method: str) -> dict[str, Any]:
    """Return the method's settings that a config tells; what it was trained with otherwise is not known."""
    fields = METHODS.get(method).settings.model_fields
    told = {name: config[key] for key, name in SETTINGS.items() if name in fields and config.get(key) is not None}
    targets = config.get("target_modules")
    if "targets" in fields and targets:
        told["targets"] = targets if isinstance(targets, str) else sorted(targets)
    return told


def opened(config: Mapping[str, Any], where: str) -> PeftConfig:
    """Return peft's configuration as its sender had it.

    Raises:
        InputError: a key that this version of peft does not know, unless it is empty.
    """
    from peft import PeftConfig
    from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING

    known = PEFT_TYPE_TO_CONFIG_MAPPING[config["peft_type"]].__dataclass_fields__
    strange = sorted(key for key, value in config.items() if key not in known and value)
    if strange := [key for key in strange if key != "peft_version"]:
        hint = "It was written by another version of peft, and what the key does would be left out without a word."
        raise InputError(f"{strange[0]}: a key that peft here does not know", where=where, hint=hint)
    return PeftConfig.from_peft_type(**{key: value for key, value in config.items() if key in known} | MADE_HERE)


def adapted(program: Any, prefix: str) -> dict[str, str]:
    """Return the modules of the transformer that a ``PeftModel`` adapts: the name there → that inside the class."""
    names = getattr(program.base_model, "targeted_module_names", ())
    return {name.removeprefix(prefix): name for name in names if name.startswith(prefix)}


def of_body(config: Mapping[str, Any], modules: Mapping[str, str], where: str) -> PeftConfig:
    """Return the configuration for the transformer alone: the same update, each module by its whole name.

    Args:
        config: the sender's.
        modules: that are adapted, see :func:`adapted`.
        where: the folder.
    """
    from peft.utils.other import get_pattern_key

    own = opened(config, where)
    changes: dict[str, Any] = {key: value for key, value in BY_NAME.items() if hasattr(own, key)}
    if hasattr(own, "target_modules"):
        changes["target_modules"] = sorted(modules)
    for key in PATTERNS:
        if pattern := getattr(own, key, None):
            by_module = {name: get_pattern_key(pattern.keys(), full) for name, full in modules.items()}
            changes[key] = {re.escape(name): pattern[found] for name, found in by_module.items() if found in pattern}
    for key in SUBSETS:
        if named := getattr(own, key, None):
            fits = _matching(named)
            changes[key] = sorted(name for name, full in modules.items() if fits(full))
    own.task_type = TASK_TYPE
    for key, value in changes.items():
        setattr(own, key, value)
    return own


def document(config: Mapping[str, Any], modules: Mapping[str, str], where: str) -> dict[str, Any]:
    """Return :func:`of_body` as a manifest keeps it."""
    content: dict[str, Any] = json.loads(json.dumps(of_body(config, modules, where).to_dict(), default=_plain))
    return content


def _plain(value: Any) -> Any:
    return sorted(value) if isinstance(value, set | frozenset) else getattr(value, "value", str(value))


def _matching(named: str | Sequence[str]) -> Callable[[str], bool]:
    """Return whether peft counts a module among ``named``: by an expression, or by the end of its name."""
    if isinstance(named, str):
        return lambda name: re.fullmatch(named, name) is not None
    return lambda name: any(name == each or name.endswith(f".{each}") for each in named)
