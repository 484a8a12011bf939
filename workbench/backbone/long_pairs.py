"""Pairs of long texts, before a tokenizer cuts them to a length: it would keep all that it cuts off, many times over.

A tokenizer that cuts a pair makes an encoding of every window of the one text with every window of the other. Of two
texts of 60,000 characters, cut to 64 tokens, these are some 40,000, of which one is read; of texts of many short words
they take gigabytes. If texts are shortened first, few windows are left, and the one that is read is the same, token by
token.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from adapter_workbench.workbench.backbone.tokenizer_bounds import folder_of
from adapter_workbench.workbench.backbone.tokenizing import tokenise
from adapter_workbench.workbench.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transformers import PreTrainedTokenizerBase

LONG = 8  # characters for each token of the length: a text that has no more is cut as it is
SPACE = re.compile(r"\s")
SPARE = (4, 5, 9, 64)  # tokens behind those that may be read, where a text without a space is cut
MOST_TOKENS = 400_000  # in all windows of a pair; each takes about a kilobyte
HINT = "Shorten one of them."


@dataclass(frozen=True)
class _Tokens:
    """A text's tokens, and the place in the text at which each of them ends."""

    ids: list[int]
    ends: list[int]


def shortened(
    tokenizer: PreTrainedTokenizerBase, first: Sequence[str], second: Sequence[str], max_length: int
) -> tuple[list[str], list[str]]:
    """Return texts of which pairs, cut to ``max_length`` tokens, have the same tokens as pairs of those given.

    How many tokens of each text are kept depends on whether the first has more, and on their numbers up to
    ``max_length``. So a long text can end behind these, best at a space, and the longer one of a pair behind as many
    tokens as are left of the other. A pair of which this changes a token that may be read stays as it is, and so do all
    pairs where texts are cut at their beginning.

    Args:
        tokenizer: cuts the pairs, the longer text first.
        first: of each pair.
        second: of each pair.
        max_length: tokens of a pair, special ones included.

    Raises:
        InputError: see :func:`tokenise`; or a pair that stays as it is would take too
            much memory.
    """
    pairs = list(zip(first, second, strict=True))
    if tokenizer.is_fast:
        pairs = [
            _shortened(tokenizer, pair, max_length) if max(map(len, pair)) > LONG * max_length else pair
            for pair in pairs
        ]
    return [text for text, _ in pairs], [text_pair for _, text_pair in pairs]


def _shortened(tokenizer: PreTrainedTokenizerBase, pair: tuple[str, str], least: int) -> tuple[str, str]:
    before = _read(tokenizer, pair)
    for spare in (None, *SPARE) if tokenizer.truncation_side == "right" else ():
        cut = _cut_both(pair, before, least, spare)
        after = _read(tokenizer, cut)
        if _are_read_alike(before, after, least) and _tokens_of_windows(after, least) <= MOST_TOKENS:
            return cut
    if _tokens_of_windows(before, least) > MOST_TOKENS:
        lengths = " and ".join(f"{len(text):,}" for text in pair)
        message = f"two texts of {lengths} characters cannot be cut to {least} tokens in little memory"
        raise InputError(message, where=folder_of(tokenizer), hint=HINT)
    return pair


def _cut_both(pair: tuple[str, str], tokens: list[_Tokens], least: int, spare: int | None) -> tuple[str, str]:
    """Cut both at a space behind ``least`` tokens, or behind so many more; the longer one stays the longer one."""
    longer = int(not _is_first_longer(tokens))
    cut, shorter = [*pair], 1 - longer
    cut[shorter] = _cut(pair[shorter], tokens[shorter], least, spare)
    left = sum(end <= len(cut[shorter]) for end in tokens[shorter].ends)
    cut[longer] = _cut(pair[longer], tokens[longer], max(least, left), spare)
    return cut[0], cut[1]


def _are_read_alike(before: list[_Tokens], after: list[_Tokens], least: int) -> bool:
    kept = all(old.ids[:least] == new.ids[:least] for old, new in zip(before, after, strict=True))
    return kept and _is_first_longer(before) == _is_first_longer(after)


def _is_first_longer(tokens: list[_Tokens]) -> bool:
    return len(tokens[0].ids) > len(tokens[1].ids)


def _tokens_of_windows(tokens: list[_Tokens], length: int) -> int:
    """Return how many tokens there are in all windows, if each text has at least a third of the length."""
    return math.prod(1 + 3 * len(text.ids) // length for text in tokens) * length


def _read(tokenizer: PreTrainedTokenizerBase, texts: tuple[str, str]) -> list[_Tokens]:
    options = {"add_special_tokens": False, "return_offsets_mapping": True, "verbose": False}
    read = tokenise(tokenizer, [*texts], **options)
    offsets = ([end for _, end in spans] for spans in read["offset_mapping"])
    return [_Tokens(*tokens) for tokens in zip(read["input_ids"], offsets, strict=True)]


def _cut(text: str, tokens: _Tokens, least: int, spare: int | None) -> str:
    """Return the text up to the first space behind more than ``least`` tokens, or to the end of so many and ``spare``.

    It is the whole text where there is none.
    """
    if spare is not None:
        return text[: tokens.ends[least + spare]] if len(tokens.ends) > least + spare else text
    space = SPACE.search(text, tokens.ends[least]) if len(tokens.ends) > least else None
    return text[: space.start()] if space else text
