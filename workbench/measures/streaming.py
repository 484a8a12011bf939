"""An answer as it is generated: its tokens become text, and the text ends where it was asked to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from adapter_workbench.workbench.errors import blaming

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Hear = Callable[[Sequence[int]], bool]  # the tokens of an answer so far → whether more are wanted
UNFINISHED = "\ufffd"  # what a tokenizer makes of a character whose other bytes are in the next token


def before_stop(text: str, stop: Sequence[str]) -> str:
    """Return what comes before the first of the texts at which an answer stops; all of ``text`` where none is in it."""
    return text[: min((text.index(end) for end in stop if end in text), default=len(text))]


class Words:
    """Passes one answer on as text, each part once, and only what further tokens do not change.

    Attributes:
        written: what was passed on.
        wanted: whether more is; set to False by who no longer listens.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        say: Callable[[str], None],
        stop: Sequence[str] = (),
        raw: bool = False,
    ) -> None:
        """Say the parts to ``say``, none after a text at which the answer stops; ``raw``: with white space around."""
        self._tokenizer, self._say, self._stop, self._raw = tokenizer, say, tuple(stop), raw
        self.written, self.wanted = "", True

    def __call__(self, tokens: Sequence[int]) -> bool:
        """Pass on the text that the tokens add; if an answer is generated again, nothing is repeated.

        Raises:
            InputError: the tokenizer fails, or panics.
        """
        with blaming("the tokenizer cannot write a text", None):  # a panic would end the thread
            decoded: str = self._tokenizer.decode(tokens, skip_special_tokens=True)
        certain = self._certain(before_stop(decoded, self._stop))
        text = certain if self._raw else certain.strip()
        if text.startswith(self.written) and not text.endswith(UNFINISHED) and text != self.written:
            self._say(text[len(self.written) :])
            self.written = text
        return self.wanted

    def _certain(self, text: str) -> str:
        """Return ``text`` without an end that may be the beginning of a text at which the answer stops."""
        return text[: len(text) - max((_begun(text, end) for end in self._stop), default=0)]


def _begun(text: str, end: str) -> int:
    """Return how many of the last characters of ``text`` may be the beginning of ``end``."""
    sizes = range(min(len(text), len(end) - 1), 0, -1)
    return next((size for size in sizes if text.endswith(end[:size])), 0)
