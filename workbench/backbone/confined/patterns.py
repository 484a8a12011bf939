"""Regular expressions tried on what they will be used on; runs in the child process, which ends with a slow one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

FORMS = (  # in which peft uses what a config gives, as a whole and as a part
    "{}",
    r"(.*\.)?({})$",
    r"(^|.*\.){}($|\..*)",
    r"(?:^|.*?\.){}\.(?P<idx>\d+)\.",
)
REPEATED = 2000  # times that a character stands in a text
USUAL = "a1 _\n.,-'é語"
MOST_TRIED = 40  # characters
MINIMAL = {"type": "WordLevel", "vocab": {"?": 0}, "unk_token": "?"}


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


def split_texts(path: str, texts: list[str]) -> None:
    """Put texts through all of a ``tokenizer.json`` but its vocabulary: long runs of characters, and some texts.

    Raises:
        Exception: what the tokenizer raises.
    """
    from tokenizers import Tokenizer

    content = json.loads(Path(path).read_text(encoding="utf-8"))
    without: dict[str, Any] = {"added_tokens": [], "post_processor": None, "truncation": None, "padding": None}
    tokenizer = Tokenizer.from_str(json.dumps({**content, **without, "model": MINIMAL}))
    characters = [*dict.fromkeys([*USUAL, *"".join(_patterns(content))])]
    for text in [*texts, *(f"{character * REPEATED}!" for character in characters[:MOST_TRIED])]:
        tokenizer.encode(text)
        if tokenizer.decoder is not None:
            tokenizer.decoder.decode([text, text])


def _patterns(content: Any) -> Iterator[str]:
    """Yield the regular expressions of a ``tokenizer.json``."""
    entries = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in entries:
        if key == "Regex" and isinstance(value, str):
            yield value
        yield from _patterns(value)
