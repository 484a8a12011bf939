"""The oldest version of peft that opens an exported folder, and answers alike: tried, by tests/neighbours.

Versions before 0.6 pass over keys that they do not know, later ones stop at them; a folder that names a newer key would
be another adapter there, or none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

OF_TYPE: Mapping[str, str] = {  # not always the first version that has the type: some computed something else at first
    **dict.fromkeys(("LORA", "IA3"), "0.4.0"),
    "LOHA": "0.6.0",
    "ADALORA": "0.10.0",  # with modules that have no direction left
    "BOFT": "0.11.0",
    **dict.fromkeys(("FOURIERFT", "HRA", "VERA"), "0.12.0"),
    "VBLORA": "0.13.0",
    **dict.fromkeys(("LOKR", "PROMPT_TUNING", "P_TUNING"), "0.14.0"),
    **dict.fromkeys(("C3A", "RANDLORA"), "0.16.0"),
    **dict.fromkeys(("MISS", "SHIRA"), "0.17.0"),
    **dict.fromkeys(("DELORA", "OFT", "ROAD", "WAVEFT"), "0.18.0"),
    "GRALORA": "0.19.0",
}
OF_KEY: Mapping[str, str] = {  # the first version that has the key
    "loftq_config": "0.7.0",
    "use_rslora": "0.8.0",
    "use_dora": "0.9.0",
    "layer_replication": "0.10.0",
    **dict.fromkeys(("exclude_modules", "lora_bias"), "0.14.0"),
    **dict.fromkeys(("rank_pattern", "alpha_pattern"), "0.15.0"),  # with names that begin where the model does
    "trainable_token_indices": "0.15.0",
    **dict.fromkeys(("use_qalora", "qalora_group_size"), "0.16.0"),
    "target_parameters": "0.17.0",
    **dict.fromkeys(("peft_version", "alora_invocation_tokens", "arrow_config", "ensure_weight_tying"), "0.18.0"),
    "use_bdlora": "0.19.0",
    **dict.fromkeys(("velora_config", "monteclora_config"), "0.20.0"),
    "kasa_config": "0.21.0",
}
OF_BOTH: Mapping[tuple[str, str], str] = {("ADALORA", "rank_pattern"): "0.10.0"}  # it has them from the beginning


def oldest_peft(config: Mapping[str, Any]) -> str:
    """Return the oldest version that reads an exported config, in which nothing stands at its default."""
    kind = config["peft_type"]
    of_keys = (OF_BOTH.get((kind, key), OF_KEY.get(key)) for key, value in config.items() if value)
    return max(filter(None, (OF_TYPE[kind], *of_keys)), key=lambda version: [*map(int, version.split("."))])
