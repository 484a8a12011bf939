"""Whether an adapter's own config agrees with its manifest; if not, its answers would not be the recorded ones."""

from __future__ import annotations

import math
from collections.abc import Mapping
from copy import deepcopy
from enum import Enum
from typing import TYPE_CHECKING, Any

from adapter_workbench.workbench.methods.libraries._peft_targets import name_usual_targets, targets_by_name

if TYPE_CHECKING:
    from transformers import PretrainedConfig

BESIDE = frozenset(  # what peft notes beside what an adapter computes: where it was made, and what the model is like
    {"base_model_name_or_path", "revision", "inference_mode", "auto_mapping", "peft_version"}
    | {"num_layers", "num_attention_heads", "num_transformer_submodules"}
    | {"fan_in_fan_out"}  # peft corrects it when it meets a Linear or a Conv1D, and stores what it was corrected to
)
BEGINNING = frozenset({"init_lora_weights", "init_weights"})  # of no meaning once weights are stored
SCHEDULE = frozenset({"rank_pattern", "total_step", "tinit", "tfinal", "deltaT"})  # of AdaLoRA: known in a fit alone
MODULES = frozenset({"target_modules", "exclude_modules", "layers_to_transform", "layers_pattern"})
SCALE = frozenset({"r", "lora_alpha"})
PATTERNS = frozenset({"rank_pattern", "alpha_pattern"})


def differing(stored: Mapping[str, Any], expected: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Return key → (in the adapter's config, by its manifest) of what is not the same in both."""
    pairs = {key: (as_json(stored.get(key)), as_json(expected.get(key))) for key in stored.keys() | expected.keys()}
    return {key: pair for key, pair in pairs.items() if not _are_equal(*pair)}


def describe(differences: Mapping[str, tuple[Any, Any]]) -> str | None:
    """Return differences in words; None where there are none."""
    sentences = [
        f"{key} is {there!r}, and {wanted!r} by its manifest" for key, (there, wanted) in sorted(differences.items())
    ]
    return "; ".join(sentences[:3]) or None


def differing_in_peft(
    stored: Any, expected: Any, architecture: PretrainedConfig, reshapes: bool
) -> dict[str, tuple[Any, Any]]:
    """Return :func:`differing` of two configurations of peft, for all that changes what is computed.

    Which modules are adapted counts, not how they are named. A LoRA may have other ranks than the usual one in some
    modules, as long as its update is scaled alike in all of them.

    Args:
        stored: in the adapter's folder.
        expected: that the manifest's method makes of the manifest's settings.
        architecture: of the backbone.
        reshapes: whether a fit of the method may leave another rank than it began with.
    """
    kind, wanted = as_json(stored.peft_type), as_json(expected.peft_type)
    if kind != wanted:
        return {"peft_type": (kind, wanted)}
    expected = deepcopy(expected)
    name_usual_targets(expected, architecture)
    pairs = differing(stored.to_dict(), expected.to_dict())
    free = BESIDE | BEGINNING | (SCHEDULE if kind == "ADALORA" else frozenset())
    pairs = {key: pair for key, pair in pairs.items() if key not in free}
    if MODULES & pairs.keys() and _same_modules(stored, expected, architecture):
        pairs = {key: pair for key, pair in pairs.items() if key not in MODULES}
    if kind == "LORA":
        if reshapes and math.isclose(stored.lora_alpha * expected.r, expected.lora_alpha * stored.r):
            pairs = {key: pair for key, pair in pairs.items() if key not in SCALE}
        if PATTERNS & pairs.keys() and _is_scaled_alike(stored):
            pairs = {key: pair for key, pair in pairs.items() if key not in PATTERNS}
    return pairs


def _same_modules(stored: Any, expected: Any, architecture: PretrainedConfig) -> bool:
    wanted = targets_by_name(deepcopy(expected), architecture)
    return bool(wanted) and targets_by_name(deepcopy(stored), architecture) == wanted


def _is_scaled_alike(config: Any) -> bool:
    """Return whether alpha ÷ rank is that of the config in each module that has a rank or an alpha of its own."""
    ranks, alphas = config.rank_pattern or {}, config.alpha_pattern or {}
    return all(
        math.isclose(alphas.get(name, config.lora_alpha) * config.r, ranks.get(name, config.r) * config.lora_alpha)
        for name in ranks.keys() | alphas.keys()
    )


def as_json(value: Any) -> Any:
    """Return a value as JSON would have it; sets are sorted, and an order of names means nothing."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(key): as_json(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        entries = [as_json(entry) for entry in value]
        return sorted(entries) if all(isinstance(entry, str) for entry in entries) else entries
    return value


def _are_equal(first: Any, second: Any) -> bool:
    if isinstance(first, float) and isinstance(second, int | float):
        return math.isclose(first, second, rel_tol=1e-9)
    return bool(first == second) and isinstance(first, bool) == isinstance(second, bool)
