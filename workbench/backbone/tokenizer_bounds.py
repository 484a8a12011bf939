"""What a foreign tokenizer may make of a text: tried when it is opened, and measured again where texts could break it.

Forty parts that double a text, or a regular expression that gives up, are refused before anything is encoded here
(:mod:`.tokenizer_trial`). What is left may make much of rare characters, or give up on a
text that nobody guesses. Texts of such a tokenizer are put through its parts in the confined process first. Of all
others it is known that no text becomes too long, and nothing is measured.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapter_workbench.workbench.backbone.confined import NoAnswerError, ask
from adapter_workbench.workbench.backbone.confined.tokenizer_trial import TIMES
from adapter_workbench.workbench.backbone.tokenizer_files import FILE
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.machine.quiet import without_printing

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

TRIED = "A word, 7 others and \N{SNOWMAN}\N{LATIN SMALL LETTER ETH}\N{CJK UNIFIED IDEOGRAPH-8A9E}"
SPECIMENS = (  # on which a sender's tokenizer is compared with a backbone's
    "Don't READ e-mails at 10.30!",
    "naïve Ångström, Straße",
    "  two  spaces\tand\nlines ",
    "日本語 👍🏽 №5 ﬁne",
)
SECONDS = 5.0  # of processor time for a trial, and for texts that are measured
A_SECOND = 500_000  # characters for which there is a further second
STRAIGHT = 4_000_000  # characters that texts may become together without being measured: some 250 MB
MOST_HOLES = 100_000  # numbers below a word's that no word has
BOUNDS = "bounds_of_texts"  # an attribute of tokenizers
HINT = "Fetch the model again, or take another one: its tokenizer cannot read every text."
TEXT_HINT = "Shorten the text or take out what repeats in it, or take another model: this one's tokenizer is at fault."


@dataclass(frozen=True)
class TextBounds:
    """What is known of a tokenizer that was tried.

    Attributes:
        times: how many characters it makes of one at most.
        more: how many it adds to a text.
        is_strange: whether it has regular expressions that may give up.
        parts: all of it but its vocabulary, as the confined process reads it.
    """

    times: float
    more: float
    is_strange: bool
    parts: str

    def must_measure(self, texts: list[str]) -> bool:
        """Return whether the texts could take too much memory, or fail, if they were encoded as they are."""
        if self.is_strange:
            return True
        return self.times > TIMES and self.times * sum(map(len, texts)) + self.more * len(texts) > STRAIGHT


def require_bounded(folder: Path) -> TextBounds | None:
    """Try the tokenizer of a folder in a process of its own; return None where the folder has no ``tokenizer.json``.

    Raises:
        InputError: it makes far more of a text than was given, takes too long, or has a regular expression that is
            wrong or gives up.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    status = path.stat()
    return _bounds_of_file(path, status.st_mtime_ns, status.st_size)


def bounds_of(tokenizer: PreTrainedTokenizerBase, where: str) -> TextBounds | None:
    """Try a tokenizer that was made of other files than ``tokenizer.json``; return None where it is not of Rust.

    Raises:
        InputError: as :func:`require_bounded`; or there are far more numbers than words.
    """
    if not tokenizer.is_fast:
        return None
    words = tokenizer.get_vocab()
    if max(words.values(), default=0) - len(words) > MOST_HOLES:
        message = f"its words have numbers up to {max(words.values())}, but there are only {len(words)}"
        raise InputError(f"the tokenizer cannot be opened: {message}", where=where, hint=HINT)
    with without_printing():  # Rust prints all numbers without a word
        content = tokenizer.backend_tokenizer.to_str()
    return _tried(where, content=content)


def note_bounds(tokenizer: PreTrainedTokenizerBase, bounds: TextBounds | None) -> None:
    """Let :func:`require_bounded_texts` measure what is encoded by a tokenizer."""
    setattr(tokenizer, BOUNDS, bounds)


def require_bounded_texts(tokenizer: PreTrainedTokenizerBase, texts: Iterable[Any]) -> None:
    """Make sure that texts can be encoded within the bounds of a foreign tokenizer; most need no measure.

    Args:
        tokenizer: that will encode them.
        texts: each a text, or a list of such.

    Raises:
        InputError: a text becomes too long, or a regular expression gives up on it.
    """
    bounds: TextBounds | None = getattr(tokenizer, BOUNDS, None)
    if bounds is None or (bounds.times <= TIMES and not bounds.is_strange):
        return
    plain = [*_flat(texts)]
    if not bounds.must_measure(plain):
        return
    seconds = SECONDS + sum(map(len, plain)) / A_SECOND
    try:
        ask("measure", seconds, parts=bounds.parts, texts=plain)
    except NoAnswerError as error:
        message = f"the tokenizer cannot read a text: {error}"
        raise InputError(message, where=folder_of(tokenizer), hint=TEXT_HINT) from None


def folder_of(tokenizer: PreTrainedTokenizerBase) -> str | None:
    """Return what a tokenizer was read from, for messages; None where it does not say."""
    return str(tokenizer.name_or_path) or None


@lru_cache(maxsize=32)
def _bounds_of_file(path: Path, changed: int, size: int) -> TextBounds:
    return _tried(str(path), path=str(path.resolve()))


def _tried(where: str, **tokenizer: str) -> TextBounds:
    try:
        return TextBounds(**ask("try tokenizer", SECONDS, texts=[TRIED, "", *SPECIMENS], **tokenizer))
    except NoAnswerError as error:
        raise InputError(f"the tokenizer fails when it is tried: {error}", where=where, hint=HINT) from None


def _flat(texts: Iterable[Any]) -> Iterator[str]:
    for text in texts:
        if isinstance(text, str):
            yield text
        elif text is not None:
            yield from _flat(text)
