"""What a foreign tokenizer may make of a text: tried when it is opened, and measured again where texts could break it.

Forty parts that double a text, or a regular expression that gives up, are refused before anything is encoded here
(:mod:`.tokenizer_trial`). What is left may make much of rare characters, or give up on a
text that nobody guesses. Texts of such a tokenizer are put through its parts in the confined process first. Of all
others it is known that no text becomes too long, and nothing is measured.

Files of sentencepiece and tiktoken are bounded before transformers converts them. For a vocabulary that has no
``tokenizer.json``, it computes where each piece could be cut, in the process that opens it: the time grows with the
square of a piece's length. The lengths are read here as what they are in the file, without the libraries of either.
"""

from __future__ import annotations

import re
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
PATTERNS = ("*.model", "*.spm", "*.tiktoken")  # files of sentencepiece and tiktoken
LARGEST = 64 << 20  # bytes of a file; those of 262,144 pieces are below 5 MB
MOST_PIECES = 2_000_000
MOST_WORK = 1 << 28  # squares of the lengths of all pieces; those of published models add up to some millions
VARINT, EIGHT, DELIMITED, FOUR = 0, 1, 2, 5  # types on the wire of protocol buffers
PIECES, PIECE = 1, 1  # fields of sentencepiece's model and of a piece in it
TEXT = re.compile(rb"[\x20-\x7e\t\r\n]*")
PIECES_HINT = "Fetch the model again, or take another one: its tokenizer cannot be opened within bounds."


@dataclass(frozen=True)
class TextBounds:
    """What is known of a tokenizer that was tried."""

    times: float  # how many characters it makes of one at most
    more: float  # how many it adds to a text
    is_strange: bool  # whether it has regular expressions that may give up
    parts: str  # all of it but its vocabulary, as the confined process reads it

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


def require_bounded_pieces(folder: Path) -> None:
    """Make sure that the vocabularies in a folder can be converted in bounded time and memory.

    Raises:
        InputError: a file is too large, has too many or too long pieces, or is of neither program.
    """
    for path in sorted({path for pattern in PATTERNS for path in folder.glob(pattern) if path.is_file()}):
        if (size := path.stat().st_size) > LARGEST:
            raise InputError(f"a vocabulary of {size:,} bytes; {LARGEST:,} may be", where=str(path), hint=PIECES_HINT)
        data = path.read_bytes()
        lengths = map(len, data.splitlines()) if TEXT.fullmatch(data) else _lengths(memoryview(data))
        try:
            _require(lengths, str(path))
        except (ValueError, IndexError):
            message = "a vocabulary that is neither sentencepiece's nor tiktoken's"
            raise InputError(message, where=str(path), hint=PIECES_HINT) from None


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


def _require(lengths: Iterator[int], where: str) -> None:
    work = 0
    for number, length in enumerate(lengths, 1):
        work += length * length
        if number > MOST_PIECES or work > MOST_WORK:
            why = f"more than {MOST_PIECES:,} pieces" if number > MOST_PIECES else f"pieces as long as {length:,} bytes"
            raise InputError(f"a vocabulary that has {why} takes too long to read", where=where, hint=PIECES_HINT)


def _lengths(model: memoryview) -> Iterator[int]:
    """Yield how many bytes each piece of a model has; raises ValueError or IndexError where it is none."""
    for field, content in _delimited(model):
        if field == PIECES:
            yield from (len(text) for part, text in _delimited(content) if part == PIECE)


def _delimited(message: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Yield number and content of each field with a length, as protocol buffers encode them."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        kind = tag & 7
        if kind == VARINT:
            _, at = _varint(message, at)
        elif kind in (EIGHT, FOUR):
            at += 8 if kind == EIGHT else 4
        elif kind == DELIMITED:
            length, at = _varint(message, at)
            if at + length > len(message):
                raise ValueError("a field ends behind its message")
            yield tag >> 3, message[at : at + length]
            at += length
        else:
            raise ValueError(f"no field of type {kind}")


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """Return a number of variable length and where it ends."""
    number = 0
    for shift in range(0, 70, 7):
        byte = message[at]
        at += 1
        number |= (byte & 127) << shift
        if byte < 128:
            return number, at
    raise ValueError("a number of more than 10 bytes")
