"""The folder of a stored adapter: its files are checked before a library reads them.

An adapter's config may lead to other places: peft imports the module that ``megatron_core`` names, and opens what
``tokenizer_name_or_path``, X-LoRA's ``adapters`` and initialisations from data name. Both packages take a pickled file
where the safetensors are missing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from adapter_workbench.workbench.backbone.config import read_json, read_mapping
from adapter_workbench.workbench.backbone.finite_weights import require_finite
from adapter_workbench.workbench.backbone.model_folder import numbers_in, refuse_pickles
from adapter_workbench.workbench.errors import InputError, UnsafeConfigError

CONFIG, FUSION_CONFIG = "adapter_config.json", "adapter_fusion_config.json"
PEFT_WEIGHTS = "adapter_model.safetensors"
ADAPTERS_WEIGHTS, FUSION_WEIGHTS = "adapter.safetensors", "model_adapter_fusion.safetensors"  # of the package adapters
PEFT_TYPES = {
    *("LORA", "ADALORA", "LOHA", "LOKR", "VERA", "OFT", "BOFT", "IA3", "SHIRA", "PROMPT_TUNING", "P_TUNING"),
    *("MISS", "RANDLORA", "ROAD", "C3A", "FOURIERFT", "WAVEFT", "DELORA", "GRALORA", "HRA", "VBLORA"),
}  # what the methods here write; an X-LoRA names other adapters, a multitask prompt a pickled file
TASK_TYPE = "FEATURE_EXTRACTION"  # for any other, peft wraps the model and expects one that has a head
SENT_TASK_TYPES = ("CAUSAL_LM", "SEQ_2_SEQ_LM", "SEQ_CLS", "TOKEN_CLS")  # of exported folders, which nothing here opens
STAYING: dict[str, tuple[Any, ...]] = {  # key → its values that are safe; any value of another key is safe
    "megatron_config": (None,),
    "megatron_core": (None, "megatron.core"),
    "tokenizer_name_or_path": (None,),
    "tokenizer_kwargs": (None,),
    "adapters": (None,),
    "prompt_tuning_init": (None, "RANDOM", "SAMPLE_VOCAB"),
    "prompt_tuning_init_state_dict_path": (None,),
    "init_lora_weights": (None, True, False, "gaussian"),
    "loftq_config": (None, {}),
    "eva_config": (None,),
    "corda_config": (None,),
    "lora_ga_config": (None,),
}
CONFIG_NOUN = "adapter config"
HINT = "Import it from where it was made: `workbench adapters export` writes what is needed."


def check_adapter(folder: Path, sent: bool = False) -> None:
    """Refuse a folder whose config points outside it, or whose weights are not finite numbers in safetensors files.

    Args:
        folder: of the adapter.
        sent: whether it has the form that other programs expect: it may be for a model with a head.

    Raises:
        InputError: a config or weights that cannot be read, that are missing, or that hold NaN or infinity.
        UnsafeConfigError: a pickled file, or a config that names code or another place.
    """
    refuse_pickles(folder)
    for config in sorted(folder.rglob(CONFIG)):
        _check_config(config, (TASK_TYPE, *SENT_TASK_TYPES) if sent else (TASK_TYPE,))
    for config in sorted(folder.rglob(FUSION_CONFIG)):
        _require_beside(config, FUSION_WEIGHTS)
        _require_mapping(config, read_json(config, CONFIG_NOUN, HINT))
    for weights in sorted(folder.rglob("*.safetensors")):
        numbers_in(weights)
        require_finite(weights)


def read_config(folder: Path) -> dict[str, Any]:
    """Return the content of an adapter's config, for callers that load nothing with it; raises InputError."""
    return read_mapping(folder / CONFIG, CONFIG_NOUN, HINT)


def _check_config(config: Path, task_types: Collection[str]) -> None:
    content = read_json(config, CONFIG_NOUN, HINT)
    of_peft = "peft_type" in content
    _require_beside(config, PEFT_WEIGHTS if of_peft else ADAPTERS_WEIGHTS)
    if not of_peft:
        _require_mapping(config, content)
        return
    kind = content["peft_type"]
    if not isinstance(kind, str) or kind not in PEFT_TYPES:
        raise InputError(f"peft_type: {kind!r} is not supported here", where=str(config), hint=HINT)
    if (task := content.get("task_type")) is not None and task not in task_types:
        message = f"task_type: {task!r} is for a model with a head of its own; here it is {TASK_TYPE!r}"
        raise InputError(message, where=str(config), hint=HINT)
    require_staying(content, config)


def require_staying(content: Mapping[str, Any], config: Path) -> None:
    """Raise UnsafeConfigError where a config of peft's leads to code, or to something outside its folder."""
    for key, values in STAYING.items():
        if not any(content.get(key) is value or content.get(key) == value for value in values):
            message = f"{key}: {content[key]!r} points to something outside this folder"
            raise UnsafeConfigError(message, where=str(config), hint=HINT)


def _require_mapping(config: Path, content: dict[str, Any]) -> None:
    """Raise InputError unless the file holds the adapter's config itself; a library would look a name up on the hub."""
    if not isinstance(content.get("config"), dict):
        raise InputError("this file is not the config of an adapter", where=str(config), hint=HINT)


def _require_beside(config: Path, weights: str) -> None:
    if not (config.parent / weights).is_file():
        raise InputError(f"there is no {weights} beside it", where=str(config), hint=HINT)
