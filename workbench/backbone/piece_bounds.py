"""Files of sentencepiece and tiktoken, bounded before transformers converts them: that takes long for long pieces.

For a vocabulary that has no ``tokenizer.json``, transformers computes where each piece could be cut, in the process
that opens it: the time grows with the square of a piece's length. The lengths are read here as what they are in the
file, without the libraries of either.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from adapter_workbench.workbench.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

PATTERNS = ("*.model", "*.spm", "*.tiktoken")
LARGEST = 64 << 20  # bytes of a file; those of 262,144 pieces are below 5 MB
MOST_PIECES = 2_000_000
MOST_WORK = 1 << 28  # squares of the lengths of all pieces; those of published models add up to some millions
VARINT, EIGHT, DELIMITED, FOUR = 0, 1, 2, 5  # types on the wire of protocol buffers
PIECES, PIECE = 1, 1  # fields of sentencepiece's model and of a piece in it
TEXT = re.compile(rb"[\x20-\x7e\t\r\n]*")
HINT = "Fetch the model again, or take another one: its tokenizer cannot be opened within bounds."


def require_bounded_pieces(folder: Path) -> None:
    """Make sure that the vocabularies in a folder can be converted in bounded time and memory.

    Raises:
        InputError: a file is too large, has too many or too long pieces, or is of neither program.
    """
    for path in sorted({path for pattern in PATTERNS for path in folder.glob(pattern) if path.is_file()}):
        if (size := path.stat().st_size) > LARGEST:
            raise InputError(f"a vocabulary of {size:,} bytes; {LARGEST:,} may be", where=str(path), hint=HINT)
        data = path.read_bytes()
        lengths = map(len, data.splitlines()) if TEXT.fullmatch(data) else _lengths(memoryview(data))
        try:
            _require(lengths, str(path))
        except (ValueError, IndexError):
            message = "a vocabulary that is neither sentencepiece's nor tiktoken's"
            raise InputError(message, where=str(path), hint=HINT) from None


def _require(lengths: Iterator[int], where: str) -> None:
    work = 0
    for number, length in enumerate(lengths, 1):
        work += length * length
        if number > MOST_PIECES or work > MOST_WORK:
            why = f"more than {MOST_PIECES:,} pieces" if number > MOST_PIECES else f"pieces as long as {length:,} bytes"
            raise InputError(f"a vocabulary that has {why} takes too long to read", where=where, hint=HINT)


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
