"""Text of any origin made printable: one line, no control characters, not too long."""

from __future__ import annotations

import re
import unicodedata

LONGEST = 400  # characters of one part of a message
HIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}  # control, format (bidirectional marks), surrogates, separators of lines
CREDENTIALS = re.compile(r"(?<=://)[^\s/?#]+@")  # of an address: a name and a password, or a token
JOINERS = "\u200c\u200d"  # of the category Cf, but letters of many scripts need them


def printable(text: str, longest: int | None = LONGEST) -> str:
    r"""Return ``text`` with each character that a terminal would obey written out (``\x1b``), line breaks as spaces.

    Args:
        text: of any origin: a file, an exception, a library.
        longest: how many characters to keep, from the beginning and the end; None keeps all.
    """
    if longest is not None and len(text) > 4 * longest:
        text = f"{text[: 2 * longest]}…{text[-2 * longest :]}"
    line = "".join(map(_escape, " ".join(text.split("\n")) if "\n" in text else text))
    if longest is None or len(line) <= longest:
        return line
    tail = longest // 4
    return f"{line[: longest - tail - 3]} … {line[-tail:]}"


def without_credentials(text: str) -> str:
    """Return a text whose addresses do not show what stands before their hosts: ``http://…@host``."""
    return CREDENTIALS.sub("…@", text)


def _escape(character: str) -> str:
    if character.isprintable() or unicodedata.category(character) not in HIDDEN or character in JOINERS:
        return character
    return " " if character in "\t\r\n" else ascii(character)[1:-1]
