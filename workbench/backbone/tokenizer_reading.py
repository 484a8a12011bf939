"""The tokenizer of a folder, whichever version of transformers wrote it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapter_workbench.workbench.backbone.config import read_json
from adapter_workbench.workbench.backbone.tokenizer_files import SETTINGS
from adapter_workbench.workbench.backbone.transformers_api import is_five, quietly

if TYPE_CHECKING:
    from pathlib import Path

    from transformers import PretrainedConfig, PreTrainedTokenizerBase

FAST_OF_FIVE = "TokenizersBackend"  # what version 5 calls the class that reads ``tokenizer.json`` alone


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
