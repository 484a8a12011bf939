"""Patterns of Python's tried on what they will be used on; runs in the child process, which ends with a slow one."""

from __future__ import annotations

import re
from itertools import product

FORMS = (  # in which peft uses what a config gives, as a whole and as a part
    "{}",
    r"(.*\.)?({})$",
    r"(^|.*\.){}($|\..*)",
    r"(?:^|.*?\.){}\.(?P<idx>\d+)\.",
)


def compare(patterns: list[str], names: list[str]) -> None:
    """Look for each pattern in each name, in all ways in which peft looks for it.

    Raises:
        ValueError: one is not a regular expression.
    """
    for pattern in patterns:
        try:
            re.compile(pattern)
        except (re.error, RecursionError, OverflowError) as error:
            raise ValueError(f"{pattern!r} is not a regular expression: {error}") from None
    for pattern, form in product(patterns, FORMS):
        try:
            expression = re.compile(form.format(pattern))
        except re.error:  # it is one on its own, and not as a part
            continue
        for name in names:
            expression.match(name)
            expression.fullmatch(name)
            expression.search(name)
