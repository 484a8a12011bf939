"""The config of a pretrained model: checked as plain JSON, then built here, so that no loader reads it again.

A ``config.json`` holds more than sizes. transformers imports the module that ``auto_map`` names, the kernel that
``_attn_implementation_internal`` names (CVE-2026-4372), and the code of a nested model with ``trust_remote_code``
(CVE-2026-5241), whatever the caller passed; ``configuration_files`` makes it read another file in place of the checked
one. Nothing of that kind passes, and the config built here is handed to every class that opens a part of the model.
"""

from __future__ import annotations

import copy
import inspect
import json
import math
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from adapter_workbench.workbench.backbone.transformers_api import is_five, rotary_keys, with_own_rotary
from adapter_workbench.workbench.errors import InputError, UnsafeConfigError, opening
from adapter_workbench.workbench.files.ordinary import contents
from adapter_workbench.workbench.machine.lazy_imports import import_models

if TYPE_CHECKING:
    from pathlib import Path

    from transformers import PretrainedConfig

DEEPEST = 50  # levels inside each other
LARGEST = 1 << 24  # bytes of a JSON file; a config has a few thousand
HALF = re.compile("[\ud800-\udfff]")  # of a character, that stands alone: no file, and no library, takes it as text
ATTENTION = (None, "eager", "sdpa", "flash_attention_2", "flex_attention")
LEADS_AWAY = {  # keys that make a loader import, fetch or read something else
    *("auto_map", "trust_remote_code", "_attn_implementation_internal", "configuration_files", "fast_tokenizer_files"),
    *("custom_pipelines", "custom_generate", "auto_mapping"),
}
OURS = {  # what the workbench decides by itself: types of numbers, what a model returns, labels, packing
    *("model_type", "return_dict", "output_attentions", "output_hidden_states", "torchscript", "dtype", "torch_dtype"),
    *("attn_implementation", "_attn_implementation", "quantization_config", "num_labels", "id2label", "label2id"),
    *("problem_type", "finetuning_task", "task_specific_params", "prefix", "name_or_path", "_name_or_path"),
    "chunk_size_feed_forward",  # how much memory a layer takes, never what it computes; texts of other lengths fail
    *(
        "architectures",
        "_commit_hash",
        "transformers_version",
        "use_cache",
        "use_bfloat16",
        "tf_legacy_loss",
        "gradient_checkpointing",
    ),
}
NUMBER = 1 << 31  # no number of a config is larger
SIZES = {  # the name that transformers gives to a size → the largest there is room for
    "hidden_size": 1 << 18,
    "intermediate_size": 1 << 24,
    "vocab_size": 1 << 24,
    "num_hidden_layers": 2000,
    "num_attention_heads": 1 << 14,
}
MANY = {"layer": 2000, "expert": 1 << 14, "head": 1 << 14}  # part of a key → the largest number under it
NEEDED = frozenset({"act", "activation", "eps", "epsilon"})  # parts of keys: a layer computes with it, whatever it is
BACKBONE = "A backbone is a folder with config.json, safetensors weights and tokenizer files."
HINT = "Is it the model that you mean? Its config.json may be damaged."


def read_json(path: Path, what: str = "model config", hint: str = BACKBONE) -> dict[str, Any]:
    """Return the mapping in a JSON file of somebody else's that a loader will read.

    Raises:
        InputError: as :func:`read_mapping`.
        UnsafeConfigError: a key leads away from the file: to code, or to another file.
    """
    content = read_mapping(path, what, hint)
    refuse_ways_out(content, path)
    return content


def read_mapping(path: Path, what: str, hint: str) -> dict[str, Any]:
    """Return the mapping in a foreign JSON file; nothing is done with it.

    Args:
        path: of the file.
        what: it holds, for messages.
        hint: what to do where it cannot be read.

    Raises:
        InputError: no ordinary file, too large, not JSON, nested too deeply, no mapping, or a text in it has half of a
            character (a lone surrogate).
    """
    content = _plain_json(path, what, hint)
    if not isinstance(content, dict):
        raise InputError(f"no readable {what}: expected a mapping", where=str(path), hint=hint)
    return content


def read_list(path: Path, what: str, hint: str) -> list[Any]:
    """Return the list in a JSON file of somebody else's; raises as :func:`read_mapping`."""
    content = _plain_json(path, what, hint)
    if not isinstance(content, list):
        raise InputError(f"no readable {what}: expected a list", where=str(path), hint=hint)
    return content


def _plain_json(path: Path, what: str, hint: str) -> Any:
    try:
        if not path.is_file():
            raise InputError(f"no readable {what}: there is no file {path.name}", where=str(path.parent), hint=hint)
        if path.stat().st_size > LARGEST:
            raise InputError(f"no readable {what}: more than {LARGEST >> 20} MiB", where=str(path), hint=hint)
        text = contents(path).decode("utf-8")
        content = json.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"no readable {what}: {error}", where=str(path), hint=hint) from None
    if _is_deep(content):
        message = f"no readable {what}: more than {DEEPEST} levels inside each other"
        raise InputError(message, where=str(path), hint=hint)
    if "\\u" in text and (key := _half(content)) is not None:
        message = f"no readable {what}: {key!r} holds half of a Unicode character (a lone surrogate)"
        raise InputError(message, where=str(path), hint="Write the whole character in this file, or take it out.")
    return content


def _half(content: Any, key: str = "") -> str | None:
    """Return the key at which half of a character stands in JSON, as ``a.b.0``; None where there is none."""
    if isinstance(content, str):
        return key if HALF.search(content) else None
    entries = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for name, value in entries:
        inner = f"{key}.{name}".lstrip(".")
        if HALF.search(inner):
            return inner
        if (broken := _half(value, inner)) is not None:
            return broken
    return None


def _is_deep(content: Any) -> bool:
    """Return whether JSON is nested deeper than libraries copy and write it."""
    level = [content]
    for _ in range(DEEPEST + 1):
        level = [
            inner
            for value in level
            if isinstance(value, dict | list)
            for inner in (value.values() if isinstance(value, dict) else value)
        ]
        if not level:
            return False
    return True


def refuse_ways_out(content: Any, path: Path) -> None:
    """Raise UnsafeConfigError where a key, however deep, leads a loader to code or to a file that nobody checked."""
    for key, value in _walk(content):
        attention = key in {"attn_implementation", "_attn_implementation"}
        if (attention and not (value is None or value in ATTENTION)) or (key in LEADS_AWAY and value not in (None, {})):
            raise UnsafeConfigError(
                f"{key}: {value!r} would load code from elsewhere",
                where=str(path),
                hint="Remove the key if you trust the weights alone; the workbench runs no remote code.",
            )


def config_object(content: Mapping[str, Any], where: str) -> PretrainedConfig:
    """Return the config object of a checked ``content``, from the keys that its architecture knows.

    Args:
        content: what :func:`read_json` returned.
        where: the file, for messages.

    Raises:
        InputError: no such architecture, one that reads no texts, or a value of the wrong type or size.
    """
    kind = content.get("model_type")
    if kind is None:
        raise InputError("the config names no model_type", where=where, hint="Is this an adapter, not a backbone?")
    default = _default(_known_type(kind, where))
    if content.get("quantization_config"):
        hint = "Give the model as it was trained; NAME:nf4 or budget.quantization packs it here."
        raise InputError("these weights are quantised already", where=where, hint=hint)
    keys = _keys(default)
    stated = with_own_rotary(content, keys, where)
    fields = {name: copy.deepcopy(value) for name, value in stated.items() if name in keys}  # configs write into theirs
    for name, value in fields.items():
        _require_plain(name, value, getattr(default, name, None), where)
    with opening("the config", where, HINT):
        config = type(default)(**fields)
        if pruned := getattr(config, "pruned_heads", None):  # JSON has no numbers as keys; transformers 5 prunes none
            config.pruned_heads = {int(layer): heads for layer, heads in pruned.items()}
        config.architectures = named_architectures(content)
    _require_sizes(config, where)
    return config


def named_architectures(content: Mapping[str, Any]) -> list[str]:
    """Return the names of classes in a config; entries that are not text are left out."""
    named = content.get("architectures")
    return [name for name in named if isinstance(name, str)] if isinstance(named, list) else []


def _known_type(kind: object, where: str) -> str:
    import_models()  # whoever reads a config opens a model, or asks what would become of it
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

    if not isinstance(kind, str) or kind not in CONFIG_MAPPING_NAMES:
        raise InputError(f"transformers does not know the model type {kind!r}", where=where)
    if kind not in text_types():
        raise InputError(f"{kind} is not a transformer that reads only texts", where=where)
    return kind


@cache
def text_types() -> frozenset[str]:
    """Return the model types that read only texts, from transformers' tables."""
    from transformers.models.auto import modeling_auto as tables

    spoken = ("CAUSAL_LM", "MASKED_LM", "SEQ_TO_SEQ_CAUSAL_LM", "SEQUENCE_CLASSIFICATION")
    image_and_text = "MULTIMODAL_LM" if is_five() else "VISION_2_SEQ"
    seen = (image_and_text, "IMAGE_TEXT_TO_TEXT", "SPEECH_SEQ_2_SEQ", "CTC", "TEXT_TO_WAVEFORM", "IMAGE_CLASSIFICATION")
    texts = frozenset[str]().union(*(getattr(tables, f"MODEL_FOR_{task}_MAPPING_NAMES") for task in spoken))
    not_text = frozenset[str]().union(*(getattr(tables, f"MODEL_FOR_{task}_MAPPING_NAMES") for task in seen))
    return (texts & frozenset(tables.MODEL_MAPPING_NAMES)) - not_text - {"transfo-xl"}  # its tokenizer reads pickles


@cache
def _default(kind: str) -> PretrainedConfig:
    """Return the architecture's default config."""
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    default: PretrainedConfig = CONFIG_MAPPING[kind]()
    return default


def _keys(default: PretrainedConfig) -> frozenset[str]:
    stated = inspect.signature(type(default).__init__).parameters.keys()
    keys = {*stated, *vars(default), *default.attribute_map, *rotary_keys(default)} - {"self", "kwargs"}
    if getattr(default, "is_encoder_decoder", False):
        keys.add("decoder_start_token_id")  # which models read, and not every config of transformers 5 declares
    return frozenset(name for name in keys - OURS if not name.startswith("_"))


def _require_plain(name: str, value: Any, default: Any, where: str) -> None:
    """Raise InputError unless a value has the default's type and its numbers are in the usual range."""
    numbers = [
        number for _, number in _walk({name: value}) if isinstance(number, int | float) and not isinstance(number, bool)
    ]
    most = next(
        (largest for name_part, largest in MANY.items() if name_part in name and not name.endswith("_id")), NUMBER
    )
    if any(not math.isfinite(number) or abs(number) > most for number in numbers):
        raise InputError(f"{name}: {value!r} is not a number that a config can have", where=where, hint=HINT)
    if default is None or (value is None and not NEEDED & {*name.split("_")}):
        return
    expected_type: Any = bool if isinstance(default, bool) else str if isinstance(default, str) else None
    if isinstance(default, int | float) and not isinstance(default, bool):
        a_layer = isinstance(value, list) and value and isinstance(default, int)  # a size for each layer is common
        entries = value if a_layer else [value]
        fits = all(isinstance(entry, int | float) and not isinstance(entry, bool) for entry in entries)
    else:
        fits = expected_type is None or isinstance(value, expected_type)
    if not fits:
        shown = "null" if value is None else repr(value)
        message = f"{name}: expected {'a number' if expected_type is None else expected_type.__name__}, got {shown}"
        raise InputError(message, where=where, hint=HINT)


def _require_sizes(config: PretrainedConfig, where: str) -> None:
    if not hasattr(config, "hidden_size"):
        message = f"a {config.model_type} has no hidden_size in its config, so it is not a transformer that reads texts"
        raise InputError(message, where=where)
    for name, largest in SIZES.items():
        sizes = getattr(config, name, 1)
        for size in sizes if isinstance(sizes, list) else [sizes]:
            if not isinstance(size, int) or not 1 <= size <= largest:
                raise InputError(f"{name}: {size!r} is not a size from 1 to {largest:,}", where=where, hint=HINT)


def _walk(content: Any) -> Iterator[tuple[str, Any]]:
    """Yield every (key, value) of nested JSON; entries of a list stand under the list's key."""
    waiting: list[tuple[str, Any]] = [("", content)]
    while waiting:
        key, value = waiting.pop()
        if key:
            yield key, value
        if isinstance(value, dict):
            waiting += [(str(name), inner) for name, inner in value.items()]
        elif isinstance(value, list):
            waiting += [(key, entry) for entry in value]
