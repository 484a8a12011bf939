"""Texts as a language model continues them: nothing is put around them but what the tokenizer puts before a text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from adapter_workbench.workbench.backbone.tokenizing import tokenise
from adapter_workbench.workbench.errors import InputError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def leading_tokens(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Return the tokens that the tokenizer puts before a text; raises InputError where it fails."""
    (bare,) = tokenise(tokenizer, ["a"], add_special_tokens=False)["input_ids"]
    (with_special,) = tokenise(tokenizer, ["a"])["input_ids"]
    starts = (start for start in range(len(with_special)) if with_special[start : start + len(bare)] == bare)
    ids: list[int] = with_special[: next(starts, 0)]
    return ids


def tokens_of_raw(tokenizer: PreTrainedTokenizerBase, text: str, leading: Sequence[int]) -> list[int]:
    """Return the tokens of a text, after the ``leading`` ones unless the text begins with the first of them in words.

    Raises:
        InputError: the tokenizer fails.
    """
    ids: list[int] = tokenise(tokenizer, [text], add_special_tokens=False, verbose=False)["input_ids"][0]
    first = tokenizer.bos_token
    return ids if first and text.startswith(first) else [*leading, *ids]


def raw_prompts(
    texts: Sequence[str], given: Sequence[Sequence[int] | None], tokenizer: PreTrainedTokenizerBase
) -> list[list[int]]:
    """Return the tokens of each text; where tokens were ``given``, these.

    Raises:
        InputError: there are none, or the tokenizer fails.
    """
    leading = leading_tokens(tokenizer)
    prompts = [
        tokens_of_raw(tokenizer, text, leading) if ids is None else [*ids]
        for text, ids in zip(texts, given, strict=True)
    ]
    if not all(prompts):
        raise InputError("a prompt without any token cannot be continued: this tokenizer puts none before a text")
    return prompts
