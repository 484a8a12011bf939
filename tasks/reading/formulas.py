"""Texts that a spreadsheet would take for formulas, because CSV cannot mark a field as text."""

from __future__ import annotations

import re

FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
NUMBER = re.compile(r"[+-]?\d+([.,]\d+)?([eE][+-]?\d+)?", re.ASCII)


def literal(text: str) -> str:
    """Return a text with an apostrophe before what a spreadsheet would take for a formula; numbers stay numbers.

    What counts as the beginning of a formula: OWASP, CSV Injection.
    """
    return f"'{text}" if text.startswith(FORMULAS) and not NUMBER.fullmatch(text) else text
