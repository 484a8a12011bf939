"""An answer as it is generated: the caller receives its tokens and turns them into text."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedTokenizerBase

Hear = Callable[["Tensor"], None]
UNFINISHED = "\ufffd"  # what a tokenizer makes of a character whose other bytes are in the next token
_HEARS: ContextVar[Hear | None] = ContextVar("hears", default=None)


@contextmanager
def heard_by(hear: Hear) -> Iterator[None]:
    """Within the block and its thread, let ``hear`` know of all tokens that are generated."""
    before = _HEARS.set(hear)
    try:
        yield
    finally:
        _HEARS.reset(before)


def tell(*tokens: Tensor) -> None:
    """Let whoever listens know of the tokens that a batch of answers has so far, in parts (batch, new of the part)."""
    if hear := _HEARS.get():
        import torch

        hear(torch.cat(tokens, dim=1))


class Words:
    """Passes one answer on as text, each part once, and only what further tokens do not change."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, say: Callable[[str], None]) -> None:
        """Say the parts to ``say``."""
        self._tokenizer, self._say, self._written = tokenizer, say, ""

    def __call__(self, tokens: Tensor) -> None:
        """Pass on the text that the tokens (1, new) add; if an answer is generated again, nothing is repeated."""
        text: str = self._tokenizer.decode(tokens[0], skip_special_tokens=True).strip()
        if text.startswith(self._written) and not text.endswith(UNFINISHED) and text != self._written:
            self._say(text[len(self._written) :])
            self._written = text
