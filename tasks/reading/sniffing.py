"""The dialect of a text file, guessed from its content; the user sees the guess and can override it."""

from __future__ import annotations

import codecs
import io
import re
from collections import Counter
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from adapter_workbench.tasks.reading.dialect import USUAL, Decimal, Dialect, DialectSettings, fields
from adapter_workbench.tasks.reading.encodings import encoding_of
from adapter_workbench.tasks.reading.raw_values import COMMA_NUMBER
from adapter_workbench.tasks.reading.text_files import Lines, opened_bytes
from adapter_workbench.workbench.errors import DataError

SAMPLE = 1 << 24  # bytes that quotes are looked for in
LINES = 2000  # lines that decide delimiter, header and decimal sign
DELIMITERS = ",;\t|"
CONSISTENT = 0.8  # share of the rows with equally many fields, at least, for a delimiter that nobody has named
NUMBER = re.compile(r"\s*[-+]?(\d+([.,]\d*)*|[.,]\d+)([eE][-+]?\d+)?\s*", re.ASCII)
LONG_NAME = 60  # characters; a column's name is shorter
NAMES = {"text", "label", "labels", "id", "sentence", "target", "class", "category", "title", "body", "score", "rating"}


@dataclass(frozen=True)
class Shape:
    """What a text looks like when it is read in one way."""

    counts: tuple[int, ...]  # the fields of each row
    joined: int  # lines that belong to the row of the line before them
    sloppy: int  # rows with a quote where nobody who puts quotes around fields would have written one

    @property
    def consistency(self) -> float:
        """Share of the rows with the most frequent number of fields; 0 where that is one field."""
        (width, rows), *_ = Counter(self.counts).most_common(1) or [(1, 0)]
        return rows / len(self.counts) if width > 1 else 0.0


def sniff(path: Path, format: str, overrides: DialectSettings, expected: Collection[str] = ()) -> Dialect:  # noqa: A002
    """Return the dialect of ``path``.

    Args:
        path: a text file, gzipped where its name says so.
        format: csv, tsv, txt or orange-tab; its usual delimiter stands where several fit equally well.
        overrides: what a person has said; that is taken as it is.
        expected: names of columns: a first row with one of them is a header.

    Raises:
        InputError: no such file.
        DataError: it holds NUL characters, or bytes that no encoding explains.
    """
    encoding, text = _decode_head(path, overrides.encoding)
    if format not in USUAL or format == "orange-tab":
        return replace(overrides.dialect(format), encoding=encoding)
    head = "".join(text.splitlines(keepends=True)[:LINES])
    delimiter = overrides.delimiter or _delimiter(head, format, overrides.quotes)
    quotes = _quotes(text, delimiter) if overrides.quotes is None else overrides.quotes
    rows = _rows(head, delimiter, quotes)
    header = _has_header(rows, expected) if overrides.header is None else overrides.header
    decimal = overrides.decimal or _decimal(rows[1:] if header else rows, delimiter)
    return Dialect(delimiter, quotes, header, encoding, decimal)


def encoding_in(path: Path, known: str) -> str:
    """Return the encoding of a text file: UTF-8 or UTF-16 by its bytes, else the ``known`` one if it decodes them.

    Raises:
        InputError: no such file.
        DataError: it holds NUL characters, or bytes that no encoding explains.
    """
    likeliest, _ = _decode_head(path, None)
    if likeliest.startswith("utf") or known.lower().startswith("utf"):
        return likeliest
    with opened_bytes(path) as stream, suppress(UnicodeError):
        codecs.getincrementaldecoder(known)().decode(stream.read(SAMPLE))
        return known
    return likeliest


def is_ascii(path: Path) -> bool:
    """Return whether a text file, unpacked, has nothing beyond ASCII."""
    with opened_bytes(path) as stream:
        return all(block.isascii() for block in iter(partial(stream.read, SAMPLE), b""))


def _decode_head(path: Path, encoding: str | None) -> tuple[str, str]:
    """Return the encoding and the beginning of a file, whole lines."""
    with opened_bytes(path) as stream:
        content = stream.read(SAMPLE)
        encoding = encoding or encoding_of(content, is_complete=len(content) < SAMPLE)
        if encoding == "utf-8" and len(content) == SAMPLE:
            encoding = _encoding_of_all(content, stream)
    codec = "utf-8-sig" if encoding == "utf-8" else encoding
    try:
        text = content.decode(codec, errors="replace")
    except UnicodeError as error:  # of codecs that replace nothing
        raise DataError(f"not text in {encoding}: {error}", where=str(path)) from None
    if len(content) == SAMPLE and "\n" in text:
        text = text[: text.rindex("\n") + 1]
    if "\0" in text:
        where = f"{path}, line {text[: text.index(chr(0))].count(chr(10)) + 1}"
        raise DataError(
            "a NUL character",
            where=where,
            hint="It is not plain text, or has another encoding; set it with --encoding.",
        )
    return encoding, text


def _encoding_of_all(begun: bytes, stream: Any) -> str:
    """Return utf-8 if the rest of a file is utf-8 too, else the encoding that its first other block looks like."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    decoder.decode(begun)
    while block := stream.read(SAMPLE):
        try:
            decoder.decode(block)
        except UnicodeDecodeError:
            return encoding_of(block, is_complete=False)
    return "utf-8"


def _rows(text: str, delimiter: str, quotes: bool) -> list[list[str]]:
    return [row for row in fields(io.StringIO(text, newline=""), delimiter, quotes) if row]


def _shape(text: str, delimiter: str, quotes: bool) -> Shape:
    sound, lines = _sound(delimiter), Lines(io.StringIO(text, newline=""), "")
    counts, joined, sloppy = [], 0, 0
    for row in fields(lines, delimiter, quotes):
        own = lines.row_ends()
        if row:
            counts.append(len(row))
            joined += len(own) - 1
            sloppy += quotes and any('"' in line for line in own) and not sound.fullmatch("".join(own))
    return Shape(tuple(counts), joined, sloppy)


def _sound(delimiter: str) -> re.Pattern[str]:
    """Return what a row looks like whose writer puts every field in quotes that holds one."""
    field = rf'(?:"(?:[^"]++|"")*+"|[^"{re.escape(delimiter)}\r\n]*+)'
    return re.compile(rf"{field}(?:{re.escape(delimiter)}{field})*+\r?\n?")


def _delimiter(head: str, format: str, quotes: bool | None) -> str:  # noqa: A002
    usual = USUAL[format]
    candidates = [usual, *(delimiter for delimiter in DELIMITERS if delimiter != usual and delimiter in head)]
    ways = [True, False] if quotes is None else [quotes]
    sure = {delimiter: max(_shape(head, delimiter, way).consistency for way in ways) for delimiter in candidates}
    best = max(candidates, key=lambda delimiter: sure[delimiter])
    return best if sure[best] >= CONSISTENT else usual


def _quotes(text: str, delimiter: str) -> bool:
    """Return whether fields are quoted: not if each line is a row without quoting and quoting would join lines."""
    if '"' not in text:
        return True
    quoted, bare = _shape(text, delimiter, True), _shape(text, delimiter, False)
    if bare.consistency == 1 and (quoted.joined or quoted.sloppy):
        return False
    if not quoted.sloppy:
        return True
    return set(bare.counts) != {1} and quoted.consistency >= bare.consistency


def _has_header(rows: Sequence[Sequence[str]], expected: Collection[str]) -> bool:
    """Return whether the first row names the columns, and is not a row like those after it."""
    if not rows:
        return True
    first, rest = [name.strip() for name in rows[0]], rows[1:]
    names = {name.lower() for name in first}
    if set(expected) & set(rows[0]) or NAMES & names:
        return True
    columns = [[row[index] for row in rest if index < len(row)] for index in range(len(first))]
    if any(_is_data(name, column) for name, column in zip(first, columns, strict=True)):
        return False
    return len(names) == len(first)


def _is_data(name: str, column: Sequence[str]) -> bool:
    """Return whether the first field of a column is data, not a header."""
    if NUMBER.fullmatch(name):
        return True
    if len(name) > LONG_NAME or not column:
        return len(name) > LONG_NAME
    few = len(set(column)) <= max(2, len(column) // 4)
    return bool(name) and few and name in {value.strip() for value in column}


def _decimal(rows: Sequence[Sequence[str]], delimiter: str) -> Decimal:
    """Return a comma where a column holds nothing but numbers, some of them with a comma that parts no thousands."""
    if delimiter == "," or not rows:
        return "."
    for index in range(len(rows[0])):
        values = [row[index].strip() for row in rows if index < len(row) and row[index].strip()]
        if values and all(COMMA_NUMBER.fullmatch(value) for value in values):
            fractions = [value.rpartition(",")[2] for value in values if "," in value]
            if any(len(fraction) != 3 or delimiter == ";" for fraction in fractions):
                return ","
    return "."
