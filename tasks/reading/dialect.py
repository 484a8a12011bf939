"""How a text file writes a table down: delimiter, quotes, header, encoding, decimal sign."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from pydantic import Field, field_validator

from adapter_workbench.tasks.reading.text_files import LONGEST_LINE
from adapter_workbench.workbench.settings.base import Settings

Decimal = Literal[".", ","]

USUAL = {"csv": ",", "tsv": "\t", "txt": "\t", "orange-tab": "\t"}  # format → delimiter
SPELLED = {"\\t": "\t", "tab": "\t", "comma": ",", "semicolon": ";", "space": " "}  # as a command line may say it
NAMED = {"\t": "tabs", ",": "commas", ";": "semicolons", "|": "bars", " ": "spaces", ":": "colons"}


@dataclass(frozen=True)
class Dialect:
    """How the rows of one file are written."""

    delimiter: str = ","  # the character between two fields
    # whether a field may stand in double quotes, which are then no part of it; if not, a quote is a character like
    # any other and every line is a row
    quotes: bool = True
    header: bool = True  # whether the first row holds the names of the columns; if not, they are column_1, column_2, …
    encoding: str = "utf-8"  # Python's name of it; a byte order mark of UTF-8 is no part of the text
    # what parts the whole from the fraction where a number is asked for; labels and texts stay as they are
    decimal: Decimal = "."


class DialectSettings(Settings):
    """The dialect settings of a task file or a user; what is left out is the format's usual one."""

    delimiter: str | None = Field(None, description="character between two fields; the format's own if left out")
    quotes: bool | None = Field(None, description="whether fields may be in double quotes; true if left out")
    header: bool | None = Field(None, description="whether the first row names the columns; true if left out")
    encoding: str | None = Field(None, description="UTF-8 if left out")
    decimal: Decimal | None = Field(None, description="decimal sign where numbers are asked for, `.` if left out")

    @field_validator("delimiter")
    @classmethod
    def _one_character(cls, value: str | None) -> str | None:
        value = SPELLED.get(value or "", value)
        if value is not None and (len(value) != 1 or value in '"\r\n\0'):
            raise ValueError("expected one character (a tab is written '\\t') that is not a quote or a line break")
        return value

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, value: str | None) -> str | None:
        try:
            b" ".decode("utf-8" if value is None else value, errors="ignore")
        except (LookupError, ValueError):
            raise ValueError("Python does not know this text encoding; try utf-8, latin-1, cp1252, utf-16") from None
        return value

    def set_values(self) -> dict[str, Any]:
        """Return the settings that were set, by key."""
        return {key: value for key in KEYS if (value := getattr(self, key)) is not None}

    def dialect(self, format: str) -> Dialect:  # noqa: A002 - the key's name in a task file
        """Return the dialect for a format; what was not set is usual."""
        return replace(usual_dialect(format), **self.set_values())


KEYS = tuple(DialectSettings.model_fields)


def usual_dialect(format: str) -> Dialect:  # noqa: A002 - the key's name in a task file
    return Dialect(delimiter=USUAL.get(format, ","))


def unusual(dialect: Dialect, format: str) -> Mapping[str, Any]:  # noqa: A002 - the key's name in a task file
    """Return the settings that a task file needs: those in which a dialect differs from the format's usual one."""
    usual = usual_dialect(format)
    return {key: getattr(dialect, key) for key in KEYS if getattr(dialect, key) != getattr(usual, key)}


def in_words(dialect: Dialect) -> str:
    """Return the dialect in words: ``tabs between fields, no quotes, no header (column_1, …), UTF-8``."""
    between = NAMED.get(dialect.delimiter, repr(dialect.delimiter))
    parts = [
        f"{between} between fields",
        "fields may stand in quotes" if dialect.quotes else "no quotes",
        "a header" if dialect.header else "no header (columns are called column_1, column_2, …)",
        dialect.encoding.upper() if dialect.encoding == "utf-8" else dialect.encoding,
        *(["decimal comma"] if dialect.decimal == "," else []),
    ]
    return ", ".join(parts)


def fields(lines: Iterable[str], delimiter: str, quotes: bool) -> Iterator[list[str]]:
    """Yield the fields of each row of ``lines``; of a blank line there are none. Raises csv.Error for a huge field."""
    csv.field_size_limit(LONGEST_LINE)
    return csv.reader(lines, delimiter=delimiter, quoting=csv.QUOTE_MINIMAL if quotes else csv.QUOTE_NONE)
