"""A peft config as its sender wrote it, and rewritten for the bare transformer with full module names."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from adapter_workbench.workbench.adapters.adapter_folder import PEFT_TYPES, TASK_TYPE
from adapter_workbench.workbench.answering.elsewhere.peft_beginning import FINISHED
from adapter_workbench.workbench.errors import InputError, opening
from adapter_workbench.workbench.methods.methods import METHODS

if TYPE_CHECKING:
    from peft import PeftConfig

BY_TYPE = {  # peft_type → what the method is called here, where that is not the same in small letters
    "PROMPT_TUNING": "prompt",
    "P_TUNING": "p-tuning",
    "WAVEFT": "wave-ft",
    "LN_TUNING": "ln",
}
PROMPTS = ("PROMPT_TUNING", "P_TUNING")
REFUSED = {
    "PREFIX_TUNING": "its prefix shifts the positions of the text, which no method here does",
}
OF_LORA = (("use_dora", "dora"), ("use_rslora", "rslora"))
SETTINGS: Mapping[str, tuple[str, ...]] = {  # a setting → peft's names for it, the first that is there counts
    "rank": ("target_r", "r"),
    "initial_rank": ("init_r",),
    "alpha": ("lora_alpha", "randlora_alpha", "alpha"),
    "dropout": ("lora_dropout", "gralora_dropout"),
    "tokens": ("num_virtual_tokens",),
    "width": ("encoder_hidden_size",),
    "block_size": ("oft_block_size", "boft_block_size", "block_size"),
    "mask_seed": ("random_seed",),
}
BY_NAME: dict[str, Any] = {  # keys that pick modules, and what stands there once each is named
    "exclude_modules": None,
    "layers_to_transform": None,
    "layers_pattern": None,
}
PATTERNS = ("rank_pattern", "alpha_pattern")
SUBSETS = ("feedforward_modules",)  # of the adapted modules
MADE_HERE = {"base_model_name_or_path": None, "revision": None, "auto_mapping": None, "inference_mode": True}
EARLIER: Mapping[str, Any] = {  # keys that peft before 0.4 wrote, with the values at which it did what peft does today
    "enable_lora": None,
    "merge_weights": False,
}
ELSEWHERE = {  # what another model comes of than the one that the adapter is put on, or what no body can do alone
    "layer_replication": "it repeats layers of the base model",
    "alora_invocation_tokens": "it is active only after certain tokens (aLoRA)",
    "arrow_config": "it chooses among other adapters (Arrow)",
    "kasa_config": "it changes the base model's own weights (KaSA)",
    "monteclora_config": "it draws its weights at random (MonteCLoRA)",
}


@dataclass(frozen=True)
class TrainedModules:
    """What a ``PeftModel`` has put on the transformer inside the sender's class, by the transformer's own names."""

    prefix: str  # the transformer's name inside the class, with a dot
    adapted: Mapping[str, str]  # modules with an update: the name → that inside the class
    # single parameters with an update, as those of a layer of experts: the name → that inside the class
    parameters: Mapping[str, str] = field(default_factory=dict)
    whole: tuple[str, ...] = ()  # modules that were trained whole, beside those of the head
    # modules of which the embeddings of some tokens were trained → these tokens
    tokens: Mapping[str, Sequence[int]] = field(default_factory=dict)


def method_of(config: Mapping[str, Any], where: str) -> str:
    """Return the workbench's name for the method of a config; raises InputError where it has none."""
    kind = config.get("peft_type")
    if isinstance(kind, str) and kind in REFUSED:
        raise InputError(f"peft_type: {kind!r} cannot be taken in: {REFUSED[kind]}", where=where)
    supported = PEFT_TYPES | BY_TYPE.keys()
    if not isinstance(kind, str) or kind not in supported:
        hint = f"These are: {', '.join(sorted(supported))}."
        raise InputError(f"peft_type: {kind!r} cannot be taken in", where=where, hint=hint)
    if kind == "LORA":
        return next((name for key, name in OF_LORA if config.get(key)), "lora")
    return BY_TYPE.get(kind, kind.lower())


def settings(
    config: Mapping[str, Any], method: str, trained: TrainedModules | None = None, modules: Iterable[str] = ()
) -> dict[str, Any]:
    """Return those settings of the method that are in the config; the others are not known.

    Args:
        config: the sender's.
        method: as it is called here.
        trained: what is adapted; None where the config is of the transformer alone.
        modules: the names of the transformer's modules. ``targets`` are the sender's where these names pick the same
            modules in the transformer alone, and else each adapted module by its whole name.
    """
    fields = METHODS.get(method).settings.model_fields
    values = {name: [config.get(key) for key in (*SETTINGS.get(name, ()), name)] for name in fields}
    method_settings = {
        name: next((value for value in named if value is not None), None) for name, named in values.items()
    }
    if "targets" in fields:
        method_settings["targets"] = _targets(config.get("target_modules"), trained, modules)
    return _accepted_settings({name: value for name, value in method_settings.items() if value is not None}, method)


def _targets(named: Any, trained: TrainedModules | None, modules: Iterable[str]) -> list[str] | None:
    """Return names that pick the adapted modules in the transformer alone; None where none is."""
    module_names = sorted(named) if isinstance(named, list) else []
    if trained is None:
        return module_names or None
    fits = matching(module_names)
    picked = {name for name in modules if fits(name)}
    return module_names if picked and picked == {*trained.adapted} else sorted(trained.adapted) or None


def _accepted_settings(method_settings: Mapping[str, Any], method: str) -> dict[str, Any]:
    """Return the settings without values that the method here refuses, such as a block size of 0 beside a rank."""
    try:
        METHODS.get(method).settings.model_validate(method_settings)
    except ValidationError as error:
        refused = {detail["loc"][0] if detail["loc"] else None for detail in error.errors()}
        return (
            {} if None in refused else {name: value for name, value in method_settings.items() if name not in refused}
        )
    return dict(method_settings)


def sender_config(config: Mapping[str, Any], where: str) -> PeftConfig:
    """Return peft's configuration as its sender had it.

    Raises:
        InputError: a key that this version of peft does not know, whatever its value: peft may do by default what
            ``false`` or ``null`` is there to prevent; or one that asks for another model than the base model.
    """
    from peft import PeftConfig
    from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING

    known = PEFT_TYPE_TO_CONFIG_MAPPING[config["peft_type"]].__dataclass_fields__
    others = config.keys() - known.keys() - FINISHED.keys() - {"peft_version"}
    if strange := sorted(key for key in others if not _is_earlier(config, key)):
        hint = f"{_writer(config)} wrote it; importing it would silently ignore the key. If you know that it changes "
        hint += "nothing, delete it from the file."
        raise InputError(f"{strange[0]}: the installed peft does not know this key", where=where, hint=hint)
    if key := next((key for key in ELSEWHERE if config.get(key)), None):
        raise InputError(f"{key}: such an adapter cannot be taken in: {ELSEWHERE[key]}", where=where)
    if key := next((key for key in SETTINGS["alpha"] if config.get(key) == 0), None):
        raise InputError(f"{key}: 0 makes the update zero", where=where)
    with opening("the adapter's config", where):
        return PeftConfig.from_peft_type(**{key: value for key, value in config.items() if key in known} | MADE_HERE)


def _is_earlier(config: Mapping[str, Any], key: str) -> bool:
    return key in EARLIER and config[key] is EARLIER[key]


def _writer(config: Mapping[str, Any]) -> str:
    version = config.get("peft_version")
    return f"peft {version}" if isinstance(version, str) and version else "Another version of peft"


def of_body(config: Mapping[str, Any], trained: TrainedModules, where: str) -> PeftConfig:
    """Return the configuration for the transformer alone: the same update, each module by its whole name.

    Args:
        config: the sender's, without what says where training began.
        trained: what it puts on the transformer.
        where: the folder.
    """
    body_config = sender_config(config, where)
    changes = BY_NAME | {
        "target_modules": sorted(trained.adapted),
        "target_parameters": sorted(trained.parameters) or None,
        "modules_to_save": [*trained.whole] or None,
        "trainable_token_indices": {name: [*tokens] for name, tokens in trained.tokens.items()} or None,
        "num_transformer_submodules": 1,  # a second prompt, for a decoder, is read by nobody
        "save_projection": True,
        "task_type": TASK_TYPE,
    }
    for key in SUBSETS:
        if named := getattr(body_config, key, None):
            fits = matching(named)
            changes[key] = sorted(name for name, full in trained.adapted.items() if fits(full))
    for key, value in (changes | _patterns(body_config, trained)).items():
        if hasattr(body_config, key):
            setattr(body_config, key, value)
    return body_config


def _patterns(config: Any, trained: TrainedModules) -> dict[str, Any]:
    """Return ranks and alphas that differ from the usual ones, each under the whole name of module or parameter."""
    from peft.utils.other import get_pattern_key

    updated = {**trained.adapted, **trained.parameters}
    changes: dict[str, Any] = {}
    for key in PATTERNS:
        pattern = getattr(config, key, None)
        if pattern and config.peft_type == "ADALORA":  # which directions are left, by the names of tensors
            changes[key] = {name.removeprefix(trained.prefix): directions for name, directions in pattern.items()}
        elif pattern:
            keys = {name: get_pattern_key(pattern.keys(), full) for name, full in updated.items()}
            changes[key] = {re.escape(name): pattern[match] for name, match in keys.items() if match in pattern}
    return changes


def document(config: PeftConfig) -> dict[str, Any]:
    """Return a configuration as a manifest keeps it."""
    content: dict[str, Any] = json.loads(json.dumps(config.to_dict(), default=_as_json))
    return content


def _as_json(value: Any) -> Any:
    return sorted(value) if isinstance(value, set | frozenset) else getattr(value, "value", str(value))


def matching(named: str | Sequence[str]) -> Callable[[str], bool]:
    """Return whether peft counts a module among ``named``: by an expression, or by the end of its name."""
    if isinstance(named, str):
        return lambda name: re.fullmatch(named, name) is not None
    return lambda name: any(name == end or name.endswith(f".{end}") for end in named)
