"""The tokenizer of a folder, read from the files of that folder alone, whatever other path its settings state.

transformers 4 takes a path in ``tokenizer_config.json`` for the caller's and opens it, be it another file or a device
(CWE-22; mended in version 5, except for ``special_tokens_map.json``). Published folders have such keys as well: what is
saved by the slow class of a tokenizer names a file on its author's machine. So most of them are set aside.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapter_workbench.workbench.backbone.config import read_json
from adapter_workbench.workbench.backbone.transformers_api import is_five, quietly
from adapter_workbench.workbench.errors import UnsafeConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from transformers import PretrainedConfig, PreTrainedTokenizerBase

FILE = "tokenizer.json"
SETTINGS, SPECIAL = "tokenizer_config.json", "special_tokens_map.json"
OF_TOKENIZER = (
    *(FILE, SETTINGS, SPECIAL, "added_tokens.json", "chat_template.json"),
    *("vocab.json", "vocab.txt", "merges.txt", "bpe.codes", "*.model", "*.spm", "*.jinja"),
)
WORDS = OF_TOKENIZER[5:]  # each of them, or tokenizer.json, is a vocabulary
KEY, ENDING = "tokenizer_file", "_file"
ALSO_FILES = {"source_spm", "target_spm", "vocab", "merges"}  # keys of files without that ending
FOUND = {KEY, "special_tokens_map_file", "added_tokens_file", "chat_template_file"}  # by their names alone
INPUTS = "init_inputs"  # arguments of a class, by their places
HINT = "Remove the key: the files of a tokenizer lie in its folder."
FAST_OF_FIVE = "TokenizersBackend"  # what version 5 calls the class that reads ``tokenizer.json`` alone


def tokenizer_files(folder: Path) -> list[Path]:
    """Return the files that the tokenizer in the folder of a transformer is read from."""
    return [path for pattern in OF_TOKENIZER for path in sorted(folder.glob(pattern)) if path.is_file()]


def require_own_files(folder: Path) -> None:
    """Refuse settings of a tokenizer that lead to another file, where they cannot be set aside.

    Raises:
        InputError: its settings cannot be read.
        UnsafeConfigError: they name a file in a place where no program writes one, or where a class that is written in
            Python would read it.
    """
    settings = folder / SETTINGS
    stated = _stated(settings)
    foreign = {settings: _unusual(stated), folder / SPECIAL: _paths(_stated(folder / SPECIAL))}
    if not (folder / FILE).is_file():
        foreign[settings] |= {key: value for key, value in _paths(stated).items() if key not in FOUND}
    for path, keys in foreign.items():
        for key, value in keys.items():
            message = f"{key}: {value!r} would be read in place of the tokenizer's own file"
            raise UnsafeConfigError(message, where=str(path), hint=HINT)


def own_files(folder: Path) -> dict[str, str | None]:
    """Return options for ``AutoTokenizer.from_pretrained`` that set aside each file in the tokenizer's settings."""
    stated = _stated(folder / SETTINGS)
    options: dict[str, str | None] = dict.fromkeys(_paths(stated))
    if KEY in stated and (folder / FILE).is_file():  # version 4 does not read it where the key is null
        options[KEY] = str(folder / FILE)
    return options


def read_tokenizer(folder: Path, config: PretrainedConfig, **options: Any) -> PreTrainedTokenizerBase:
    """Return the tokenizer in a folder; no code of the folder runs.

    Args:
        folder: of a transformer.
        config: of the transformer.
        options: for ``from_pretrained``.

    Raises:
        Exception: what transformers raises.
    """
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    settings = folder / SETTINGS
    stated = read_json(settings).get("tokenizer_class") if settings.is_file() else None
    tokenizer: PreTrainedTokenizerBase
    if stated == FAST_OF_FIVE and not is_five():
        with quietly():  # it says that the class has another name
            tokenizer = PreTrainedTokenizerFast.from_pretrained(folder, **options)
    else:
        tokenizer = AutoTokenizer.from_pretrained(folder, config=config, trust_remote_code=False, **options)
    return tokenizer


def _paths(stated: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys that name a file, with what they name."""
    return {
        key: value
        for key, value in stated.items()
        if value is not None and (key.endswith(ENDING) or (key in ALSO_FILES and isinstance(value, str)))
    }


def _unusual(stated: Mapping[str, Any]) -> dict[str, Any]:
    """Return what may name a file where an option cannot set it aside."""
    inputs = {INPUTS: stated[INPUTS]} if stated.get(INPUTS) else {}
    return inputs | {key: value for key, value in stated.items() if isinstance(value, dict) and _paths(value)}


def _stated(path: Path) -> dict[str, Any]:
    return read_json(path) if path.exists() else {}
