"""A word and its tag on each line, a blank line after each sentence: CoNLL-2003 and files like it (IOB, BIO, BIOES).

Columns are parted by tabs or spaces. The first one holds the words and the last one the tags; those between them, as
parts of speech, are read too. Tags stay as they are written, whatever their scheme.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from adapter_workbench.tasks.reading.table_size import require_bounded
from adapter_workbench.tasks.reading.text_files import Lines, opened_text
from adapter_workbench.workbench.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pandas as pd

WORDS, TAGS = "words", "tags"
DOCUMENT = "-DOCSTART-"  # begins the line before a new document
COMMENT = "#"  # of CoNLL-U and MultiCoNER; a word as well
TAG = re.compile(r"O|[BIESLU]-\S+")
BETWEEN = re.compile(r"[ \t]+")
MOST_WORDS = 20_000  # of a sentence: a file without blank lines is one
FORM = "Each line has a word and its tag, with a tab or spaces between, and a blank line ends a sentence."


def frame_of(path: Path, encoding: str) -> pd.DataFrame:
    """Return the sentences of ``path`` as columns of text, words and tags with spaces between; raises as :func:`rows`.

    The columns are ``words``, ``column_2``, … and ``tags``.
    """
    import pandas as pd

    sentences = [*rows(path, encoding)]
    require_bounded(len(sentences[0]) if sentences else 0, len(sentences), str(path))
    return pd.DataFrame(sentences)


def rows(path: Path, encoding: str = "utf-8") -> Iterator[dict[str, str]]:
    """Yield one sentence after another.

    Raises:
        DataError: a line has another number of columns than the first one, only one, or a word with white space in it;
            or a sentence has more words than anybody writes. The line is named.
    """
    names: tuple[str, ...] = ()
    first = 0  # number of the line that says how many columns there are
    sentence: list[list[str]] = []
    with opened_text(path, encoding) as text:
        lines = Lines(text, str(path))
        for line in lines:
            lines.row_ends()
            fields = [field for field in BETWEEN.split(line.strip(" \t\r\n")) if field]
            if not fields or fields[0] == DOCUMENT:
                if sentence:
                    yield _row(names, sentence)
                    sentence = []
                continue
            if not sentence and _is_comment(fields, len(names)):
                continue
            if not names:
                names, first = _names(len(fields), lines), lines.number
            _require_word(fields, len(names), first, lines)
            if len(sentence) == MOST_WORDS:
                hint = f"{FORM} Put one between any two sentences."
                raise DataError(f"{MOST_WORDS:,} words without a blank line", where=lines.where, hint=hint)
            sentence.append(fields)
    if sentence:
        yield _row(names, sentence)


def is_tagged(path: Path, encoding: str = "utf-8") -> bool:
    """Return whether a file begins as a table of words and IOB tags does; text without any tag does not."""
    with opened_text(path, encoding) as text:
        lines = (BETWEEN.split(line.strip(" \t\r\n")) for line in Lines(text, str(path)))
        first = next(
            (fields for fields in lines if fields[0] and fields[0][0] != COMMENT and fields[0] != DOCUMENT), [""]
        )
    return len(first) > 1 and bool(TAG.fullmatch(first[-1]))


def _names(columns: int, lines: Lines) -> tuple[str, ...]:
    """Return what the columns are called."""
    require_bounded(columns, 1, lines.where)
    if columns < 2:
        raise DataError("a word without a tag: this line has one column", where=lines.where, hint=FORM)
    return (WORDS, *(f"column_{number}" for number in range(2, columns)), TAGS)


def _is_comment(fields: list[str], columns: int) -> bool:
    """Return whether a line before a sentence is a comment, not the word ``#`` with its tag."""
    if not fields[0].startswith(COMMENT):
        return False
    return len(fields) != columns if columns else not TAG.fullmatch(fields[-1])


def _require_word(fields: list[str], columns: int, first: int, lines: Lines) -> None:
    if len(fields) != columns:
        counted = f"{len(fields)} column{'s' * (len(fields) > 1)}, and line {first} has {columns}"
        raise DataError(f"this line has {counted}", where=lines.where, hint=FORM)
    if odd := next((field for field in fields if len(field.split()) != 1), None):
        hint = "Write it without, or another character in its place: words are parted by white space."
        raise DataError(f"white space inside {odd!r}", where=lines.where, hint=hint)


def _row(names: tuple[str, ...], sentence: list[list[str]]) -> dict[str, str]:
    return {name: " ".join(column) for name, column in zip(names, zip(*sentence, strict=True), strict=True)}
