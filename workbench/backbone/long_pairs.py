"""Pairs of long texts, before a tokenizer cuts them to a length: it would keep all that it cuts off, many times over.

A tokenizer that cuts a pair makes an encoding of every window of the one text with every window of the other. Of two
texts of 60,000 characters, cut to 64 tokens, these are some 40,000, of which one is read. If texts are shortened first,
few windows are left, and the one that is read is the same, token by token.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.backbone.tokenizing import tokenise

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transformers import PreTrainedTokenizerBase

LONG = 8  # characters for each token of the length: a text that has no more is cut as it is
SPACE = re.compile(r"\s")


@dataclass(frozen=True)
class _Tokens:
    """A text's tokens, and the place in the text at which each of them ends."""

    ids: list[int]
    ends: list[int]


def shortened(
    tokenizer: PreTrainedTokenizerBase, first: Sequence[str], second: Sequence[str], max_length: int
) -> tuple[list[str], list[str]]:
    """Return texts of which pairs, cut to ``max_length`` tokens, have the same tokens as pairs of those given.

    How many tokens of each text are kept depends on which of the two has more, and on their numbers up to
    ``max_length``. So a long text can end at a space behind these, and the longer one of a pair behind as many tokens
    as are left of the other. A pair of which this changes a token stays as it is, and so do all pairs where texts are
    cut at their beginning.

    Args:
        tokenizer: cuts the pairs, the longer text first.
        first: of each pair.
        second: of each pair.
        max_length: tokens of a pair, special ones included.

    Raises:
        InputError: see :func:`workbench.backbone.tokenizing.tokenise`.
    """
    pairs = list(zip(first, second, strict=True))
    if tokenizer.is_fast and tokenizer.truncation_side == "right":
        pairs = [
            _shortened(tokenizer, pair, max_length) if max(map(len, pair)) > LONG * max_length else pair
            for pair in pairs
        ]
    return [text for text, _ in pairs], [text_pair for _, text_pair in pairs]


def _shortened(tokenizer: PreTrainedTokenizerBase, pair: tuple[str, str], least: int) -> tuple[str, str]:
    before = _read(tokenizer, pair)
    longer = int(len(before[1].ids) > len(before[0].ids))
    cut, shorter = [*pair], 1 - longer
    cut[shorter] = _cut(pair[shorter], before[shorter], least)
    left = sum(end <= len(cut[shorter]) for end in before[shorter].ends)
    cut[longer] = _cut(pair[longer], before[longer], max(least, left))
    after = _read(tokenizer, (cut[0], cut[1]))
    counts = [[len(text.ids) for text in texts] for texts in (before, after)]
    alike = all(old.ids[: len(new.ids)] == new.ids for old, new in zip(before, after, strict=True))
    return (cut[0], cut[1]) if alike and _order(counts[0]) == _order(counts[1]) else pair


def _read(tokenizer: PreTrainedTokenizerBase, texts: tuple[str, str]) -> list[_Tokens]:
    options = {"add_special_tokens": False, "return_offsets_mapping": True, "verbose": False}
    read = tokenise(tokenizer, [*texts], **options)
    offsets = ([end for _, end in spans] for spans in read["offset_mapping"])
    return [_Tokens(*tokens) for tokens in zip(read["input_ids"], offsets, strict=True)]


def _cut(text: str, tokens: _Tokens, least: int) -> str:
    """Return the text up to the first space behind more than ``least`` tokens; the whole text where there is none."""
    space = SPACE.search(text, tokens.ends[least]) if len(tokens.ends) > least else None
    return text[: space.start()] if space else text


def _order(counts: list[int]) -> int:
    return (counts[0] > counts[1]) - (counts[0] < counts[1])
